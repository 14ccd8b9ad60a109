// The list of episodes: filters, order, pages; what is chosen stands in the address, so that it can be sent on.

const PAGE = 50;
const TYPING = 150;

const values = (of) => {
  const counts = new Map();
  for (const line of lines) for (const value of [of(line)].flat()) counts.set(value, (counts.get(value) || 0) + 1);
  return counts;
};

const HARM = { true: "harmful", false: "not harmful", null: "not known" };
const graded = lines.some((line) => line.harmful !== null);

// Each filter: its label, the value of a line, and how a value is named. `show` says when there is something to filter.
const FILTERS = {
  outcome: { label: "Outcome", of: (line) => line.outcome, name: (value) => OUTCOMES[value] },
  rule: { label: "Rule", of: (line) => line.rule },
  stage: { label: "Decided by", of: (line) => line.decidedBy },
  domain: { label: "Domain", of: (line) => line.domains },
  risk: { label: "Risk", of: (line) => String(line.risk) },
  dissent: { label: "Dissent", of: (line) => (line.dissent ? "with a minority report" : "of one mind") },
  revised: { label: "Drafts", of: (line) => (line.drafts > 1 ? "revised" : line.drafts ? "as first drafted" : "none") },
  persons: { label: "Persons", of: (line) => (line.persons ? "a person looked" : "no person looked") },
  appeal: { label: "Appeals", of: (line) => (line.appeal ? "appeals" : "tasks") },
  failures: { label: "Failures", of: (line) => (line.failures ? "something failed" : "nothing failed") },
  harm: { label: "Last draft", of: (line) => HARM[line.harmful], show: graded },
};

const ORDERS = {
  place: { label: "as they came", key: (line) => line.place },
  risk: { label: "highest risk first", key: (line) => -line.risk },
  dissent: { label: "most dissent first", key: (line) => -line.dissent },
  drafts: { label: "most drafts first", key: (line) => -line.drafts },
  looks: { label: "most looks first", key: (line) => -line.looks },
  minutes: { label: "most minutes of persons first", key: (line) => -line.minutes },
  asked: { label: "by what was asked", key: (line) => line.asked },
};

const chosen = { words: "", order: "place", page: 0 };
let found = lines;

// --- filters --------------------------------------------------------------------------------------------------------

const form = document.getElementById("filters");

function choice(name, label, options) {
  const select = element("select", { id: `by-${name}`, onchange: () => choose(name, select.value) }, options);
  return element("label", {}, element("span", {}, label), select);
}

function buildFilters() {
  const search = element("input", {
    type: "search", id: "by-words", autocomplete: "off", spellcheck: "false", placeholder: "in any text",
  });
  let typing = null;
  const look = () => {
    clearTimeout(typing);
    choose("words", search.value.trim());
  };
  search.addEventListener("change", look);
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(look, TYPING);
  });
  form.append(element("label", { class: "wide" }, element("span", {}, "Search"), search));
  for (const [name, filter] of Object.entries(FILTERS)) {
    const counts = [...values(filter.of)].sort(([one], [other]) => (one < other ? -1 : 1));
    if (filter.show === false || counts.length < 2) continue;
    const options = counts.map(([value, count]) =>
      element("option", { value }, `${filter.name ? filter.name(value) : value} (${count.toLocaleString("en")})`));
    form.append(choice(name, filter.label, [element("option", { value: "" }, "all"), ...options]));
  }
  const orders = Object.entries(ORDERS).map(([value, order]) => element("option", { value }, order.label));
  form.append(choice("order", "Order", orders));
  form.append(element("button", { type: "button", id: "clear", onclick: clear }, "Clear"));
  form.addEventListener("submit", (event) => event.preventDefault());
}

function choose(name, value) {
  chosen[name] = value;
  chosen.page = 0;
  apply();
  remember();
}

function clear() {
  for (const name of Object.keys(FILTERS)) delete chosen[name];
  Object.assign(chosen, { words: "", order: "place", page: 0 });
  showChosen();
  apply();
  remember();
}

function showChosen() {
  for (const name of ["words", "order", ...Object.keys(FILTERS)]) {
    const field = document.getElementById(`by-${name}`);
    if (field) field.value = chosen[name] || "";
  }
}

function apply() {
  const wanted = Object.entries(FILTERS).filter(([name]) => chosen[name]);
  found = lines.filter((line) => wanted.every(([name, filter]) => [filter.of(line)].flat().includes(chosen[name])));
  if (chosen.words) {
    const saying = placesThatSay(chosen.words);
    found = found.filter((line) => saying.has(line.place));
  }
  const { key } = ORDERS[chosen.order];
  if (chosen.order !== "place") {
    found = found.slice().sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      return a < b ? -1 : a > b ? 1 : one.place - other.place;
    });
  }
  show();
}

// --- the list -------------------------------------------------------------------------------------------------------

const COLUMNS = ["Episode", "Asked", "Outcome", "Rule", "Decided by", "Domain", "Risk", "Drafts", "Dissent"];
if (graded) COLUMNS.push("Last draft");

function show() {
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  chosen.page = Math.min(chosen.page, pages - 1);
  const from = chosen.page * PAGE;
  const here = found.slice(from, from + PAGE);
  const total = plural(lines.length, "episode", "episodes");
  const some = here.length ? `, ${(from + 1).toLocaleString("en")} to ${(from + here.length).toLocaleString("en")} here` : "";
  const told = found.length === lines.length ? total : `${found.length.toLocaleString("en")} of ${total}`;
  document.getElementById("found").textContent = `${told}${some}`;
  const heads = COLUMNS.map((name) => element("th", { scope: "col" }, name));
  const table = element(
    "table",
    { class: "episodes" },
    element("caption", {}, "Episodes: arrow keys move, Enter opens, Escape closes"),
    element("thead", {}, element("tr", {}, heads)),
    element("tbody", {}, here.map(rowOf)),
  );
  const none = element("p", { class: "note" }, "No episode fits. Choose less, or clear the filters.");
  document.getElementById("list").replaceChildren(here.length ? table : none);
  showPages(pages);
}

function rowOf(line) {
  const link = element("a", { href: `#${address({ episode: line.id })}`, class: "open", "data-place": line.place }, line.id);
  const cells = [
    link,
    element("span", { class: "asked", dir: "auto" }, line.asked),
    badge(line.outcome, OUTCOMES[line.outcome]),
    element("code", {}, line.rule),
    line.decidedBy,
    line.domains.join(" or "),
    element("span", { class: `risk risk-${line.risk}` }, String(line.risk)),
    String(line.drafts),
    line.dissent ? badge("dissent", String(line.dissent)) : "–",
  ];
  if (graded) cells.push(line.harmful ? badge("harmful", "harmful") : HARM[line.harmful]);
  return element(
    "tr",
    {},
    cells.map((cell, place) => element("td", { "data-name": COLUMNS[place] }, cell)),
  );
}

function showPages(pages) {
  const turn = (label, by, possible) =>
    element("button", { type: "button", disabled: !possible, onclick: () => turnBy(by) }, label);
  document.getElementById("pages").replaceChildren(
    turn("← Earlier", -1, chosen.page > 0),
    element("span", {}, `Page ${(chosen.page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`),
    turn("Later →", 1, chosen.page + 1 < pages),
  );
}

function turnBy(by) {
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  const page = Math.min(pages - 1, Math.max(0, chosen.page + by));
  if (page === chosen.page) return false;
  chosen.page = page;
  show();
  remember();
  return true;
}

// The episode before or after one, in the order that is shown; null at either end.
function neighbour(place, by) {
  const at = found.findIndex((line) => line.place === place) + by;
  return at >= 0 && at < found.length ? found[at].place : null;
}

function focusLine(place) {
  const at = found.findIndex((line) => line.place === place);
  if (at >= 0 && Math.floor(at / PAGE) !== chosen.page) {
    chosen.page = Math.floor(at / PAGE);
    show();
  }
  const link = document.querySelector(`a.open[data-place="${place}"]`);
  if (link) link.focus();
}

// --- keys and clicks ------------------------------------------------------------------------------------------------

const list = document.getElementById("list");

list.addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey || String(getSelection())) return;
  event.preventDefault();
  openEpisode(Number(row.querySelector("a.open").dataset.place));
});

list.addEventListener("keydown", (event) => {
  const links = [...list.querySelectorAll("a.open")];
  const at = links.indexOf(document.activeElement);
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    if (links[to]) links[to].focus();
    else if (turnBy(Math.sign(to - at))) {
      const turned = list.querySelectorAll("a.open");
      turned[to < 0 ? turned.length - 1 : 0].focus();
    }
  } else if (event.key === "PageDown" || event.key === "PageUp") {
    event.preventDefault();
    if (turnBy(event.key === "PageDown" ? 1 : -1)) list.querySelector("a.open").focus();
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !reader.open) {
    event.preventDefault();
    document.getElementById("by-words").focus();
  }
});

// --- the address ----------------------------------------------------------------------------------------------------

function address(over) {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...chosen, ...over })) {
    const standing = name === "page" ? value > 0 : value && !(name === "order" && value === "place");
    if (standing) said.set(name, name === "page" ? value + 1 : value);
  }
  return said.toString();
}

function remember() {
  const said = address(opened === null ? {} : { episode: lines[opened].id });
  history.replaceState(null, "", said ? `#${said}` : location.pathname + location.search);
}

// Reads what the address asks for. A plain `#flow` is a section's: the browser goes there by itself.
function recall() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (![...said.values()].some(Boolean)) return false;
  for (const name of ["words", ...Object.keys(FILTERS)]) chosen[name] = said.get(name) || "";
  chosen.order = Object.hasOwn(ORDERS, said.get("order") || "") ? said.get("order") : "place";
  chosen.page = Math.max(0, (Number.parseInt(said.get("page"), 10) || 1) - 1);
  showChosen();
  apply();
  const place = placeOf.get(said.get("episode"));
  if (place !== undefined) openEpisode(place);
  else document.getElementById("episodes").scrollIntoView();
  return true;
}

window.addEventListener("hashchange", recall);

buildFilters();
if (!recall()) apply();
