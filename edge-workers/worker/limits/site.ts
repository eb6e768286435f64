/** What counts as one address: an IPv4 address, or the /64 of an IPv6 one (everybody has 2^64). */

const SITE_GROUPS = 4;
const GROUPS = 8;

/** The key of an address's bucket. What is not IPv6 is taken as it is. */
export function site_of(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const before = groups_of(head);
  if (tail === undefined) return before.slice(0, SITE_GROUPS).join(":");
  const after = groups_of(tail);
  const zeros = Array(Math.max(0, GROUPS - before.length - after.length)).fill("0");
  return [...before, ...zeros, ...after].slice(0, SITE_GROUPS).join(":");
}

/** Groups without leading zeros; an IPv4 tail counts as two and is never among the first four. */
function groups_of(text: string): string[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return ["v4", "v4"];
    return [group.toLowerCase().replace(/^0+(?=.)/, "")];
  });
}
