// A selection that several views share.
class Selection {
  constructor() { this.rows = new Set(); this.listeners = []; }
  onChange(listener) { this.listeners.push(listener); }
  set(rows) {
    const wanted = new Set(rows);
    if (wanted.size === this.rows.size && [...wanted].every(row => this.rows.has(row))) return;
    this.rows = wanted;
    this.listeners.forEach(listener => listener([...wanted].sort((a, b) => a - b)));
  }
  toggle(row, on) {
    const wanted = new Set(this.rows);
    if (on) wanted.add(row);
    else wanted.delete(row);
    this.set(wanted);
  }
  get sorted() { return [...this.rows].sort((a, b) => a - b); }
}

const chosen = new Selection();
const address = row => `#/cluster/${encodeURIComponent(clusterNames[row])}`;
const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

// The rows of the table of clusters, by their number in the catalogue.
const tableRows = [];

function setUpTable() {
  const table = byId("catalogue");
  table.classList.add("brief");
  const head = table.tHead.rows[0];
  head.prepend(el("th", { scope: "col", className: "pick", textContent: "Select" }));
  [...table.tBodies[0].rows].forEach((row, index) => {
    tableRows.push(row);
    const name = row.cells[0], text = name.textContent;
    name.replaceChildren(el("a", { href: address(index), textContent: text }));
    const box = el("input", { type: "checkbox", "aria-label": `Select ${P.names.shown[index]}` });
    box.addEventListener("change", () => chosen.toggle(index, box.checked));
    row.prepend(el("td", { className: "pick" }, box));
  });
  makeSortable(table);
  byId("find").addEventListener("input", filter);
  byId("only").addEventListener("change", filter);
  byId("all-columns")?.addEventListener("change", event => table.classList.toggle("brief", !event.target.checked));
  byId("all-rows")?.addEventListener("change", event => { table.classList.toggle("long", !event.target.checked); filter(); });
  byId("tools").addEventListener("submit", event => {
    event.preventDefault();
    const exact = matches(byId("find").value, true), shown = visible();
    if (exact.length === 1) location.hash = address(exact[0]);
    else if (shown.length === 1) location.hash = address(shown[0]);
  });
  byId("take").addEventListener("click", () => chosen.set(visible()));
  document.querySelectorAll(".clear").forEach(button => button.addEventListener("click", () => chosen.set([])));
  byId("csv").addEventListener("click", () => saveCsv(clusters, wanted(), "clusters"));
  byId("vot").addEventListener("click", () => saveVotable(clusters, wanted(), "clusters"));
  chosen.onChange(mark);
  mark();
}

// Clusters with a name that is the text, or begins with it: a word of it for letters, the number for digits.
function matches(text, whole = false) {
  const key = canonical(text);
  if (!key) return [];
  const inside = /^\p{L}{3,}$/u.test(key), number = /^\d+$/.test(key);
  const hit = k => k === key || (!whole && (k.startsWith(key) || (inside && k.includes(key)) || (number && k.replace(/^\D+/, "").startsWith(key))));
  return P.names.keys.flatMap((keys, row) => (keys.some(hit) ? [row] : []));
}

const visible = () => tableRows.flatMap((row, index) => (row.hidden ? [] : [index]));
const wanted = () => (chosen.rows.size ? chosen.sorted : tableRows.map((_, index) => index));

function filter() {
  const text = byId("find").value.trim(), found = new Set(text ? matches(text) : tableRows.keys());
  const only = byId("only").checked;
  tableRows.forEach((row, index) => { row.hidden = !found.has(index) || (only && !chosen.rows.has(index)); });
  const shown = visible();
  let said = `${count(shown.length, "cluster")} of ${tableRows.length.toLocaleString("en")} shown, ${chosen.rows.size.toLocaleString("en")} selected`;
  if (text && shown.length === 1) {
    const row = shown[0], key = canonical(text);
    const own = canonical(clusterNames[row]).startsWith(key);
    const other = own ? null : P.names.also[row].find(name => canonical(name).includes(key));
    said += other ? `: ${P.names.shown[row]} is ${other}` : `: ${P.names.shown[row]}`;
  } else if (text && !shown.length) said += only ? ". No selected cluster has such a name" : ". No cluster here has such a name";
  const cut = byId("catalogue").classList.contains("long") && shown.length > 500;
  byId("found").textContent = `${said}${cut ? "; the first 500 are listed" : ""}.`;
}

function mark() {
  tableRows.forEach((row, index) => {
    const on = chosen.rows.has(index);
    row.classList.toggle("chosen", on);
    row.cells[0].firstElementChild.checked = on;
  });
  document.querySelectorAll(".clear").forEach(button => { button.disabled = !chosen.rows.size; });
  const n = chosen.rows.size || tableRows.length, what = chosen.rows.size ? "selected" : "all";
  byId("csv").textContent = `Download CSV (${what}, ${n.toLocaleString("en")})`;
  byId("vot").textContent = `Download VOTable (${what}, ${n.toLocaleString("en")})`;
  filter();
}
