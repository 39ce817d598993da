// Where the nodes and lines of a directed graph stand in a picture that is read from left to right.
//
// Nodes stand in columns, each to the right of all that lead to it; a line's label has a place of its own between two
// columns, so that no label lies on another. Lines that would close a circle are laid out backwards. Knows nothing of
// what is drawn, and touches no document.

const COLUMN_GAP = 22;
const ROW_GAP = 14;
const LINE_GAP = 6;
const SWEEPS = 12;
const STRAIGHTENINGS = 60;
const SETTLINGS = 12;
const STRAIGHTNESS = 8;
const SMOOTHINGS = 3;
const BAND_MOST = 24;
const PORT_DISTANCE = 9;
const MARGIN = 8;
const STEEPNESS = 9;
const MOST_FURTHER = 90;

/**
 * Places nodes and lines.
 *
 * nodes: [{id, width, height, isLast}]; what isLast stands right of everything that leads to the same column of such.
 * edges: [{id, from, to, label: {width, height} | null}], those first that must not go backwards.
 * before: Map of id to the y that it had before; where nothing else decides, the order stays.
 * Returns {width, height, nodes: Map id -> {x, y}, edges: Map id -> {points, label: {x, y} | null, isBackward}}; x and y
 * are the middle, points go from `from` to `to` in pairs that are joined by curves.
 */
export function layeredLayout(nodes, edges, before = new Map()) {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const lines = directed(nodes, edges.filter((edge) => edge.from !== edge.to && known.has(edge.from) && known.has(edge.to)));
  const ranks = ranksOf(nodes, lines);
  const places = new Map();
  const columns = [];
  const put = (place) => {
    (columns[place.rank] ??= []).push(place);
    return place;
  };
  for (const node of startingOrder(nodes, lines, before)) {
    places.set(node.id, put({rank: ranks.get(node.id), width: node.width, height: node.height, before: [], after: [], isNode: true}));
  }
  const chains = lines.map((line) => chainOf(line, places, put));
  for (let rank = 0; rank < columns.length; rank += 1) {
    columns[rank] ??= [];
  }
  order(columns);
  settle(columns);
  for (let pass = 0; pass < SMOOTHINGS; pass += 1) {
    for (const chain of chains) smooth(chain, columns);
  }
  const height = close(columns);
  const width = spread(columns);
  return {
    width,
    height,
    nodes: new Map([...places].map(([id, place]) => [id, {x: place.x, y: place.y}])),
    edges: new Map(chains.map((chain) => [chain.line.edge.id, drawn(chain)])),
  };
}

// Which way each line is laid out: one after the other, and backwards if it would close a circle.
function directed(nodes, edges) {
  const following = new Map(nodes.map((node) => [node.id, []]));
  const reaches = (from, to) => {
    const seen = new Set([from]);
    const waiting = [from];
    while (waiting.length) {
      const id = waiting.pop();
      if (id === to) {
        return true;
      }
      for (const next of following.get(id)) {
        if (!seen.has(next)) {
          seen.add(next);
          waiting.push(next);
        }
      }
    }
    return false;
  };
  return edges.map((edge) => {
    const isBackward = reaches(edge.to, edge.from);
    const [from, to] = isBackward ? [edge.to, edge.from] : [edge.from, edge.to];
    following.get(from).push(to);
    return {edge, from, to, isBackward};
  });
}

// The column of each node, an even number. What isLast stands in one column for all of the same stage.
function ranksOf(nodes, lines) {
  const incoming = new Map(nodes.map((node) => [node.id, []]));
  const isLast = new Map(nodes.map((node) => [node.id, node.isLast]));
  for (const line of lines) {
    incoming.get(line.to).push(line.from);
  }
  const stages = new Map();
  const depths = new Map();
  const visit = (id) => {
    if (stages.has(id)) {
      return;
    }
    incoming.get(id).forEach(visit);
    let stage = 0;
    for (const from of incoming.get(id)) {
      stage = Math.max(stage, stages.get(from) + (isLast.get(from) ? 1 : 0));
    }
    let depth = 0;
    for (const from of incoming.get(id)) {
      if (stages.get(from) === stage && !isLast.get(from)) {
        depth = Math.max(depth, depths.get(from) + 1);
      }
    }
    stages.set(id, stage);
    depths.set(id, depth);
  };
  nodes.forEach((node) => visit(node.id));
  const deepest = new Map();
  for (const node of nodes) {
    const stage = stages.get(node.id);
    const depth = node.isLast ? 0 : depths.get(node.id) + 1;
    deepest.set(stage, Math.max(deepest.get(stage) ?? 0, depth));
  }
  const start = new Map();
  let column = 0;
  for (const stage of [...deepest.keys()].sort((one, other) => one - other)) {
    start.set(stage, column);
    column += deepest.get(stage) + 1;
  }
  const raw = new Map(
    nodes.map((node) => {
      const stage = stages.get(node.id);
      return [node.id, start.get(stage) + (node.isLast ? deepest.get(stage) : depths.get(node.id))];
    }),
  );
  const used = [...new Set(raw.values())].sort((one, other) => one - other);
  const compact = new Map(used.map((value, index) => [value, index * 2]));
  return new Map([...raw].map(([id, value]) => [id, compact.get(value)]));
}

// As they were before; new ones next to what they are joined to, so that what belongs together stands together.
function startingOrder(nodes, lines, before) {
  const neighbours = new Map(nodes.map((node) => [node.id, []]));
  for (const line of lines) {
    neighbours.get(line.from).push(line.to);
    neighbours.get(line.to).push(line.from);
  }
  const place = new Map();
  const known = new Map(nodes.map((node) => [node.id, node]));
  for (const node of nodes) {
    const waiting = [node.id];
    while (waiting.length) {
      const id = waiting.pop();
      if (!place.has(id)) {
        place.set(id, place.size);
        waiting.push(...neighbours.get(id).filter((next) => !place.has(next)).reverse());
      }
    }
  }
  const isolated = (id) => (neighbours.get(id).length ? 0 : 1);
  const found = [...place.keys()].sort(
    (one, other) => isolated(one) - isolated(other) || place.get(one) - place.get(other),
  );
  if (before.size) {
    const heights = new Map();
    for (const id of found) {
      const near = neighbours.get(id).filter((next) => before.has(next));
      const mean = near.length ? near.reduce((sum, next) => sum + before.get(next), 0) / near.length : Infinity;
      heights.set(id, before.get(id) ?? mean);
    }
    found.sort((one, other) => (heights.get(one) === heights.get(other) ? 0 : heights.get(one) - heights.get(other)));
  }
  return found.map((id) => known.get(id));
}

// A line as a chain of places, one in each column that it crosses; one of them holds its label.
function chainOf(line, places, put) {
  const first = places.get(line.from);
  const last = places.get(line.to);
  const label = line.edge.label;
  const labelRank = first.after.length > last.before.length ? last.rank - 1 : first.rank + 1;
  const chain = {line, places: [first], label: null};
  let previous = first;
  for (let rank = first.rank + 1; rank < last.rank; rank += 1) {
    const holdsLabel = label && rank === labelRank;
    const size = holdsLabel ? label : {width: 0, height: 0};
    const place = put({rank, width: size.width, height: size.height, before: [], after: [], isNode: false});
    if (holdsLabel) {
      chain.label = place;
    }
    join(previous, place);
    chain.places.push(place);
    previous = place;
  }
  join(previous, last);
  chain.places.push(last);
  return chain;
}

function join(one, other) {
  one.after.push(other);
  other.before.push(one);
}

// Few crossings: each place moves to the middle of those it is joined to, column by column, to and fro.
function order(columns) {
  number(columns);
  let best = columns.map((column) => [...column]);
  let fewest = crossings(columns);
  for (let sweep = 0; sweep < SWEEPS && fewest; sweep += 1) {
    const isForward = sweep % 2 === 0;
    for (const column of isForward ? columns : [...columns].reverse()) {
      const middle = new Map();
      column.forEach((place, index) => middle.set(place, middleOf(isForward ? place.before : place.after, index)));
      column.sort((one, other) => middle.get(one) - middle.get(other));
      column.forEach((place, index) => {
        place.index = index;
      });
    }
    exchange(columns);
    const count = crossings(columns);
    if (count < fewest) {
      fewest = count;
      best = columns.map((column) => [...column]);
    }
  }
  best.forEach((column, rank) => {
    columns[rank] = column;
  });
  number(columns);
}

function number(columns) {
  for (const column of columns) {
    column.forEach((place, index) => {
      place.index = index;
    });
  }
}

function middleOf(joined, otherwise) {
  if (!joined.length) {
    return otherwise;
  }
  return joined.reduce((sum, place) => sum + place.index, 0) / joined.length;
}

// Neighbours change places where that takes crossings away.
function exchange(columns) {
  for (const column of columns) {
    for (let index = 0; index + 1 < column.length; index += 1) {
      const upper = column[index];
      const lower = column[index + 1];
      const now = crossed(upper.before, lower.before) + crossed(upper.after, lower.after);
      const then = crossed(lower.before, upper.before) + crossed(lower.after, upper.after);
      if (then < now) {
        column[index] = lower;
        column[index + 1] = upper;
        lower.index = index;
        upper.index = index + 1;
      }
    }
  }
}

function crossed(upper, lower) {
  let count = 0;
  for (const one of upper) {
    for (const other of lower) {
      count += other.index < one.index ? 1 : 0;
    }
  }
  return count;
}

// Pairs of lines that cross, counted with a tree of sums: one look at each line.
function crossings(columns) {
  let count = 0;
  for (let rank = 0; rank + 1 < columns.length; rank += 1) {
    const ends = columns[rank].flatMap((place) =>
      place.after.map((next) => next.index).sort((one, other) => one - other),
    );
    const sums = new Array(columns[rank + 1].length + 1).fill(0);
    ends.forEach((end, seen) => {
      let before = 0;
      for (let at = end + 1; at > 0; at -= at & -at) {
        before += sums[at];
      }
      count += seen - before;
      for (let at = end + 1; at < sums.length; at += at & -at) {
        sums[at] += 1;
      }
    });
  }
  return count;
}

// Each column is laid as near to the middle of what its places are joined to as the order allows.
function settle(columns) {
  for (const column of columns) {
    let y = 0;
    column.forEach((place, index) => {
      y += index ? distance(column[index - 1], place) : 0;
      place.y = y;
    });
  }
  const centre = (column) => (column.length ? (column[0].y + column[column.length - 1].y) / 2 : 0);
  for (const column of columns) {
    const shift = centre(column);
    for (const place of column) {
      place.y -= shift;
    }
  }
  for (let sweep = 0; sweep < STRAIGHTENINGS; sweep += 1) {
    const isForward = sweep % 2 === 0;
    const isSettled = sweep >= SETTLINGS;
    for (const column of isForward ? columns : [...columns].reverse()) {
      lay(column, (place) => (isSettled ? [...place.before, ...place.after] : isForward ? place.before : place.after));
    }
  }
}

// A line that crosses several columns is made straight, as far as its neighbours leave room: rather one step than many.
function smooth(chain, columns) {
  const inner = chain.places.slice(1, -1);
  let run = [];
  let room = [-Infinity, Infinity];
  const end = () => {
    const mean = run.reduce((sum, place) => sum + place.y, 0) / run.length;
    for (const place of run) place.y = Math.min(Math.max(mean, room[0]), room[1]);
  };
  for (const place of inner) {
    const [least, most] = roomOf(place, columns[place.rank]);
    const both = [Math.max(room[0], least), Math.min(room[1], most)];
    if (both[0] <= both[1]) {
      run.push(place);
      room = both;
    } else {
      end();
      run = [place];
      room = [least, most];
    }
  }
  if (run.length) end();
}

function roomOf(place, column) {
  const upper = column[place.index - 1];
  const lower = column[place.index + 1];
  return [upper ? upper.y + distance(upper, place) : -Infinity, lower ? lower.y - distance(place, lower) : Infinity];
}

// Bands with nothing in them are closed; the picture begins at its margin. Returns its height.
function close(columns) {
  const places = columns.flat().sort((one, other) => one.y - one.height / 2 - (other.y - other.height / 2));
  let bottom = 0;
  let shift = places.length ? MARGIN - (places[0].y - places[0].height / 2) : 0;
  for (const place of places) {
    const top = place.y - place.height / 2 + shift;
    if (bottom && top - bottom > BAND_MOST) shift -= top - bottom - BAND_MOST;
    place.y = Math.round(place.y + shift);
    bottom = Math.max(bottom, place.y + place.height / 2);
  }
  return Math.ceil(bottom + MARGIN);
}

function distance(upper, lower) {
  const gap = upper.isNode && lower.isNode ? ROW_GAP : LINE_GAP;
  return (upper.height + lower.height) / 2 + gap;
}

// Least squares under "not nearer than": neighbours that want to be too near become one block.
function lay(column, joinedTo) {
  const blocks = [];
  let offset = 0;
  column.forEach((place, index) => {
    offset += index ? distance(column[index - 1], place) : 0;
    const joined = joinedTo(place);
    let weight = 0;
    let wanted = 0;
    for (const other of joined) {
      const pull = place.isNode || other.isNode ? 1 : STRAIGHTNESS;
      weight += pull;
      wanted += pull * other.y;
    }
    if (!weight) {
      weight = 0.01;
      wanted = weight * place.y;
    }
    blocks.push({weight, sum: wanted - weight * offset, places: [[place, offset]]});
    while (blocks.length > 1) {
      const lower = blocks[blocks.length - 1];
      const upper = blocks[blocks.length - 2];
      if (upper.sum / upper.weight < lower.sum / lower.weight) {
        break;
      }
      upper.weight += lower.weight;
      upper.sum += lower.sum;
      upper.places.push(...lower.places);
      blocks.pop();
    }
  });
  for (const block of blocks) {
    for (const [place, at] of block.places) {
      place.y = block.sum / block.weight + at;
    }
  }
}

// Columns are further apart where lines between them are steep.
function spread(columns) {
  let x = MARGIN;
  let gap = 0;
  columns.forEach((column) => {
    x += gap;
    const width = Math.max(0, ...column.map((place) => place.width));
    for (const place of column) {
      place.x = Math.round(x + width / 2);
      place.columnWidth = width;
    }
    const rise = Math.max(0, ...column.flatMap((place) => place.after.map((next) => Math.abs(next.y - place.y))));
    gap = COLUMN_GAP + Math.min(MOST_FURTHER, Math.round(rise / STEEPNESS));
    x += width;
  });
  return Math.ceil(x + MARGIN);
}

// The points of a line: in pairs, with a straight piece through every column on the way.
function drawn({line, places, label}) {
  const first = places[0];
  const last = places[places.length - 1];
  const points = [{x: first.x + first.width / 2, y: port(first, "after", places[1])}];
  for (const place of places.slice(1, -1)) {
    const half = place.columnWidth / 2;
    points.push({x: place.x - half, y: place.y}, {x: place.x + half, y: place.y});
  }
  points.push({x: last.x - last.width / 2, y: port(last, "before", places[places.length - 2])});
  return {
    points: line.isBackward ? points.reverse() : points,
    label: label && {x: label.x, y: label.y},
    isBackward: line.isBackward,
  };
}

// Where a line leaves or meets a node's side: in the order in which they come, and inside its height.
function port(node, side, neighbour) {
  const joined = [...node[side]].sort((one, other) => one.y - other.y || one.index - other.index);
  const step = Math.min(PORT_DISTANCE, (node.height - 8) / Math.max(1, joined.length - 1));
  const index = joined.indexOf(neighbour);
  return Math.round((node.y + (index - (joined.length - 1) / 2) * step) * 10) / 10;
}
