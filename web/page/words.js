// How numbers, times and reasons are said.

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const count = (n) => whole.format(n ?? 0);

export const many = (n, one, more = one + "s") => `${count(n)} ${n === 1 ? one : more}`;

// time is the time of the day, with the day where that is not today.
export function time(at) {
  if (!at) return "unknown";
  const when = new Date(at);
  const today = when.toDateString() === new Date().toDateString();
  return today ? clock.format(when) : `${day.format(when)} ${clock.format(when)}`;
}

// zone names the time zone that the reader's browser tells times in.
export function zone() {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" });
  const short = parts.formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
  const { timeZone } = parts.resolvedOptions();
  return timeZone === short ? short : `${timeZone} (${short})`;
}

const units = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

// lasting says how long a number of milliseconds is, in its largest unit.
export function lasting(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [name, size] = units.find(([, size]) => seconds >= size) ?? units.at(-1);
  return `${Math.floor(seconds / size)} ${name}`;
}

// since says from when on something is so, and how long that is.
export function since(at, now) {
  return at ? `${time(at)} (${lasting(now - at)})` : "before this observer looked";
}

// natural is a key by which orders.9 comes before orders.10.
export const natural = (id) => id.replace(/\d+/g, (digits) => digits.padStart(12, "0"));
