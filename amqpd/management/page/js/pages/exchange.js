// One exchange: what it routes where, and how much.

import * as api from "../api.js";
import {badge, button, element, factRows, facts, section, update} from "../dom.js";
import {bindForm, bindingColumns, bindingKey} from "../binding_parts.js";
import {chart, chartsCard, rangeQuery} from "../chart.js";
import {confirmed} from "../form.js";
import {go, link} from "../router.js";
import {argumentsOf, exchangeLabel, features, policyLink, tableOf} from "../parts.js";
import {publishForm} from "../publish_form.js";
import {exchangeRates} from "../series.js";
import {table} from "../table.js";

const nameOf = (parameter) => (parameter === "amq.default" ? "" : parameter);

export const title = ({parameters: [, name]}) => exchangeLabel(nameOf(name));
export const within = {label: "Exchanges", href: "#/exchanges"};

export async function show(page) {
  const [vhost] = page.parameters;
  const name = nameOf(page.parameters[1]);
  const isDefault = name === "";
  const where = api.path("exchanges", vhost, api.exchangeName(name));
  const type = element("span");
  const overview = facts([]);
  const delayed = element("span");
  const rates = chart({title: "Message rates", kind: "rate", series: exchangeRates()});
  page.heading.append(type);
  const after = () => repeat.now();
  const tables = isDefault ? null : bindingTables(vhost, after);

  page.view.append(
    section("Overview", overview, delayed),
    chartsCard("Traffic", [rates], after),
    tables
      ? section(
          "Bindings",
          element("h3", {}, "To this exchange"),
          tables.to.element,
          element("h3", {}, "From this exchange"),
          tables.from.element,
          bindForm({vhost, exchange: name, after}),
        )
      : section("Bindings", element("p", {class: "muted"}, "The default exchange is bound to every queue, with the queue's name as routing key; that can't be changed.")),
    publishForm({vhost, exchange: name, after}),
  );
  if (!isDefault && !name.startsWith("amq.")) {
    page.view.append(section(
      "Delete this exchange",
      element("p", {class: "muted"}, "Its bindings go with it."),
      button("Delete exchange", () => remove(where, name), {class: "danger"}),
    ));
  }
  const repeat = page.every(null, load);

  async function load(signal) {
    const [exchange, to, from] = await Promise.all([
      api.get(where, rangeQuery("msg_rates"), {signal}),
      isDefault ? [] : api.get(`${where}/bindings/destination`, {}, {signal}),
      isDefault ? [] : api.get(`${where}/bindings/source`, {}, {signal}),
    ]);
    update(type, badge(exchange.type));
    update(overview, factRows([
      ["Virtual host", exchange.vhost],
      ["Type", exchange.type],
      ["Features", features(exchange)],
      ["Policy", policyLink(vhost, exchange.policy)],
      ["Arguments", tableOf(argumentsOf(exchange))],
    ]));
    update(delayed, exchange.type === "x-delayed-message"
      ? element("a", {href: link("exchanges", vhost, name, "messages")}, "Look at the delayed messages")
      : null);
    rates.poll(exchange);
    tables?.to.update(to);
    tables?.from.update(from);
  }
}

function bindingTables(vhost, after) {
  return {
    to: table({caption: "Bindings to this exchange", rowKey: bindingKey, empty: "No exchange is bound to it.", columns: bindingColumns(vhost, "source", after)}),
    from: table({caption: "Bindings from this exchange", rowKey: bindingKey, empty: "Nothing is bound to it: what is published here is dropped.", columns: bindingColumns(vhost, "destination", after)}),
  };
}

async function remove(where, name) {
  const isDone = await confirmed({
    title: `Delete exchange ${name}?`,
    text: "Publishers that go on using it get an error.",
    action: "Delete exchange",
    act: () => api.remove(where),
  });
  if (isDone) go("#/exchanges");
}
