// What leads where in a virtual host: nodes and lines made of what the API tells. Touches no document.

export const BINDING = "binding";
export const ALTERNATE = "alternate";
export const DEAD_LETTER = "dead letter";

/** More queues than this are drawn as groups of those that are bound alike. */
const QUEUES_DRAWN_SINGLY = 40;
/** More lines than this are not drawn. */
const MOST_LINES = 300;
/** More bindings than this are not looked at for the picture. */
export const MOST_BINDINGS = 5000;

const SMALLEST_GROUP = 3;
const KEYS_ON_A_LINE = 3;

const exchangeId = (name) => `exchange ${name}`;
const queueId = (name) => `queue ${name}`;

/**
 * All nodes and lines of a virtual host.
 *
 * told: {exchanges, queues, bindings, policies} as the API lists them. Bindings of the default exchange, which every
 * queue has, are left out unless withDefault.
 * Returns {nodes: Map id -> node, links: [link]}; a link is one binding, or where dead letters or what nobody wanted go.
 */
export function graphOf(told, {withDefault = false} = {}) {
  const nodes = new Map();
  const links = [];
  const policies = new Map(told.policies.map((policy) => [policy.name, policy.definition]));
  for (const exchange of told.exchanges) {
    nodes.set(exchangeId(exchange.name), exchangeNode(exchange));
  }
  for (const queue of told.queues) {
    nodes.set(queueId(queue.name), {id: queueId(queue.name), kind: "queue", name: queue.name, queue});
  }
  for (const binding of told.bindings) {
    if (binding.source || withDefault) {
      links.push(bindingLink(binding));
    }
  }
  for (const exchange of told.exchanges) {
    const policy = policies.get(exchange.policy) ?? {};
    const alternate = exchange.arguments?.["alternate-exchange"] ?? policy["alternate-exchange"];
    if (typeof alternate === "string") {
      links.push(wayOf(ALTERNATE, exchangeId(exchange.name), exchangeId(alternate), ""));
    }
  }
  for (const queue of inOrderOfReturn(told.queues)) {
    const way = deadLetterWay(queue);
    if (way) {
      links.push(way);
    }
  }
  for (const link of links) {
    for (const id of [link.from, link.to]) {
      if (!nodes.has(id)) {
        nodes.set(id, missingNode(id));
      }
    }
  }
  return {nodes, links};
}

function exchangeNode(exchange) {
  const id = exchangeId(exchange.name);
  return {id, kind: "exchange", name: exchange.name, type: exchange.type, internal: exchange.internal};
}

function missingNode(id) {
  const [kind] = id.split(" ", 1);
  return {id, kind, name: id.slice(kind.length + 1), isMissing: true};
}

function bindingLink(binding) {
  const isQueue = binding.destination_type === "queue";
  return {
    kind: BINDING,
    from: exchangeId(binding.source),
    to: isQueue ? queueId(binding.destination) : exchangeId(binding.destination),
    key: binding.routing_key,
    arguments: binding.arguments,
  };
}

function wayOf(kind, from, to, key) {
  return {kind, from, to, key, arguments: {}};
}

function deadLetterWay(queue) {
  const rule = (name) => queue.arguments?.[`x-${name}`] ?? queue.effective_policy_definition?.[name];
  const exchange = rule("dead-letter-exchange");
  if (typeof exchange !== "string") {
    return null;
  }
  const key = rule("dead-letter-routing-key");
  const toQueue = exchange === "" && typeof key === "string" && key !== "";
  return wayOf(
    DEAD_LETTER,
    queueId(queue.name),
    toQueue ? queueId(key) : exchangeId(exchange),
    typeof key === "string" && !toQueue ? key : "",
  );
}

// Where messages only wait, and come back from by expiring, comes last: its way is the one that is drawn backwards.
function inOrderOfReturn(queues) {
  const waits = (queue) =>
    (queue.arguments?.["x-message-ttl"] ?? queue.effective_policy_definition?.["message-ttl"]) !== undefined ? 1 : 0;
  return [...queues].sort((one, other) => waits(one) - waits(other));
}

/** The links whose ends or keys have the text in them, and the nodes at their ends, and nodes that have it themselves. */
export function filtered({nodes, links}, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) {
    return {nodes, links};
  }
  const has = (value) => value.toLowerCase().includes(wanted);
  const found = links.filter(
    (link) => has(nodes.get(link.from).name) || has(nodes.get(link.to).name) || has(link.key),
  );
  const ids = new Set([...nodes.values()].filter((node) => has(node.name)).map((node) => node.id));
  for (const link of found) {
    ids.add(link.from).add(link.to);
  }
  return {nodes: new Map([...nodes].filter(([id]) => ids.has(id))), links: found};
}

/** Without the nodes that nothing leads to or from. */
export function joinedOnly({nodes, links}) {
  const joined = new Set(links.flatMap((link) => [link.from, link.to]));
  return {nodes: new Map([...nodes].filter(([id]) => joined.has(id))), links};
}

/**
 * Queues that are bound to the same exchanges and dead-letter to the same place as one node each group, if there are
 * many; groups in `open` stay apart. A group is {id, kind: "group", members: [node]}.
 */
export function grouped(graph, open, singly = QUEUES_DRAWN_SINGLY) {
  const queues = [...graph.nodes.values()].filter((node) => node.kind === "queue");
  if (queues.length <= singly) {
    return {...graph, groups: []};
  }
  const ways = new Map(queues.map((queue) => [queue.id, new Set()]));
  const single = new Set();
  for (const link of graph.links) {
    ways.get(link.to)?.add(`from ${link.kind} ${link.from}`);
    ways.get(link.from)?.add(`to ${link.kind} ${link.to}`);
    if (link.from.startsWith("queue ") && link.to.startsWith("queue ")) {
      single.add(link.to);
    }
  }
  const alike = new Map();
  for (const queue of queues) {
    if (!single.has(queue.id)) {
      const key = JSON.stringify([...ways.get(queue.id)].sort());
      alike.set(key, [...(alike.get(key) ?? []), queue]);
    }
  }
  const groups = [];
  const groupOf = new Map();
  for (const [key, members] of alike) {
    const id = `group ${key}`;
    if (members.length >= SMALLEST_GROUP) {
      groups.push({id, members, isOpen: open.has(id)});
      if (!open.has(id)) {
        const group = {id, kind: "group", name: members[0].name, members};
        members.forEach((member) => groupOf.set(member.id, group));
      }
    }
  }
  const nodes = new Map();
  for (const node of graph.nodes.values()) {
    const shown = groupOf.get(node.id) ?? node;
    nodes.set(shown.id, shown);
  }
  const moved = (id) => groupOf.get(id)?.id ?? id;
  const links = graph.links.map((link) => ({...link, from: moved(link.from), to: moved(link.to)}));
  return {nodes, links, groups};
}

/**
 * One line for all links of a kind between the same two nodes: [{id, kind, from, to, links, texts}], at most `most`.
 * `texts` is what is written on it, at most a few short lines.
 */
export function linesOf({links}, most = MOST_LINES) {
  const lines = new Map();
  for (const link of links) {
    const id = JSON.stringify([link.kind, link.from, link.to]);
    if (!lines.has(id)) {
      lines.set(id, {id, kind: link.kind, from: link.from, to: link.to, links: []});
    }
    lines.get(id).links.push(link);
  }
  const ranks = {[BINDING]: 0, [ALTERNATE]: 1, [DEAD_LETTER]: 2};
  const all = [...lines.values()].sort((one, other) => ranks[one.kind] - ranks[other.kind]);
  const shown = all.slice(0, most);
  for (const line of shown) {
    line.texts = textsOf(line);
  }
  return {lines: shown, leftOut: all.length - shown.length};
}

function textsOf(line) {
  if (line.kind !== BINDING) {
    const key = line.links[0].key;
    const word = line.kind === ALTERNATE ? "unrouted" : "dead letters";
    return key ? [word, `as ${key}`] : [word];
  }
  const texts = [...new Set(line.links.map(linkText))];
  if (texts.length === 1 && texts[0] === "") {
    return [];
  }
  const shown = texts.map((text) => text || "(no key)");
  if (shown.length <= KEYS_ON_A_LINE) {
    return shown;
  }
  return [...shown.slice(0, KEYS_ON_A_LINE - 1), `and ${shown.length - KEYS_ON_A_LINE + 1} more`];
}

/** A binding in a few words: its routing key, and its arguments. */
export function linkText(link) {
  const given = Object.entries(link.arguments ?? {}).map(([name, value]) =>
    `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return [link.key, given.join(", ")].filter((part) => part !== "").join("  ");
}

/** What would make another picture: when it is the same, only numbers have changed. */
export function shapeOf(nodes, lines) {
  return JSON.stringify([
    [...nodes.values()].map((node) => [node.id, node.type, node.isMissing, node.members?.length]),
    lines.map((line) => [line.id, line.texts]),
  ]);
}
