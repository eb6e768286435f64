import { expect, test } from "vitest";
import { site_of } from "./site.ts";

test.each([
  ["203.0.113.9", "203.0.113.9"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:DB8:0001:2::6", "2001:db8:1:2"],
  ["2001:db8::6", "2001:db8:0:0"],
  ["2001:db8::1:2:3:4:5", "2001:db8:0:1"],
  ["::1", "0:0:0:0"],
  ["64:ff9b::203.0.113.9", "64:ff9b:0:0"],
])("%s counts as %s", (address, site) => {
  expect(site_of(address)).toBe(site);
});
