// The data of the page: numbers in typed arrays, identifiers and names as text.
const P = JSON.parse(document.getElementById("payload").textContent);

function decode(packed) {
  const [kind, text] = Object.entries(packed)[0];
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new { f8: Float64Array, f4: Float32Array, i4: Int32Array }[kind](bytes.buffer);
}

// A printf format of the catalogue's columns.
function printf(format, value) {
  const found = /^%(\+?)\d*(?:\.(\d+))?([dfe])$/.exec(format);
  if (!found) return String(value);
  const [, sign, digits, type] = found;
  let text = type === "d" ? value.toFixed(0) : type === "f" ? value.toFixed(Number(digits)) : value.toExponential(Number(digits));
  if (type === "e") text = text.replace(/e([+-])(\d)$/, "e$10$2");
  return sign && value >= 0 ? `+${text}` : text;
}

class Table {
  constructor(raw) {
    Object.assign(this, raw);
    this.byName = new Map(raw.columns.map(column => [column.name, column]));
    this.decoded = new Map();
  }
  has(name) { return this.byName.has(name); }
  values(name) {
    if (!this.has(name)) return null;
    if (!this.decoded.has(name)) {
      const data = this.byName.get(name).data;
      this.decoded.set(name, Array.isArray(data) ? data : decode(data));
    }
    return this.decoded.get(name);
  }
  // The value, or null where there is none.
  at(name, row) {
    const values = this.values(name);
    const value = values === null ? null : values[row];
    return value === undefined || Number.isNaN(value) ? null : value;
  }
  shown(name, row) {
    const value = this.at(name, row);
    if (value === null) return "";
    return typeof value === "number" ? printf(this.byName.get(name).format, value) : String(value);
  }
  // All digits that tell a value from its neighbours.
  exact(name, row) {
    const value = this.at(name, row);
    if (value === null) return "";
    if (typeof value !== "number") return String(value);
    return String(this.values(name) instanceof Float32Array ? Number(value.toPrecision(9)) : value);
  }
}

const clusters = new Table(P.clusters), stars = new Table(P.stars);
const starStart = decode(P.stars.start);
// A large catalogue does not fit into one page: the row of each cluster in what is drawn, or -1.
const drawnRow = decode(P.drawn);
const clusterNames = clusters.values("cluster");

// Rows of arrays that were packed end to end.
function rows(packed, names) {
  const start = decode(packed.start), arrays = Object.fromEntries(names.map(name => [name, decode(packed[name])]));
  return row => Object.fromEntries(names.map(name => [name, arrays[name].subarray(start[row], start[row + 1])]));
}

function once(make) {
  let made;
  return () => (made === undefined ? (made = make()) : made);
}

// An element; text is always text, never markup.
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter(child => child !== null));
  return made;
}

const byId = id => document.getElementById(id);

// The canonical form of a name, as the names in the page were brought into it.
function canonical(name) {
  let text = name.normalize("NFKD").toLowerCase().replace(/[\u0300-\u036f]/g, "").replace(/[\u2010-\u2015\u2212]/g, "-").replace(/_/g, " ");
  text = text.trim().split(/\s+/).join(" ").replace(/^(?:name|cl\*?|open cluster) (?=[a-z[])/, "").replace(/(\w) (?:(?:open|star) )?cluster$/, "$1");
  text = text.replace(/^([a-z][a-z .'/-]*?)[\s.-]*0*(\d+)\s*([a-z]?)$/, "$1 $2$3");
  text = text.replace(/[\s\-._'\u2019`"()/]/g, "").replace(/\+/g, "p").replace(/[^\p{L}\p{N}]/gu, "");
  const found = /^([a-z]+)(\d.*)$/.exec(text);
  const long = found && P.names.abbreviations[found[1]];
  return long ? long + found[2] : text;
}
