import { expect, test } from "vitest";
import type { BoardDocument } from "./document.ts";
import { Feed } from "./feed.ts";

/** A feed before a server that answers what a test says, and a clock that it turns. */
function stage(kind: "staff" | "wall" = "staff") {
  const seen: { path: string; pass: string | null }[] = [];
  const heard: BoardDocument[] = [];
  const ended: string[] = [];
  const world = {
    now: 0,
    at_ms: 1000,
    answer: (_path: string): Response => Response.json({ at_ms: world.at_ms }),
  };
  const feed = new Feed({
    kind,
    first_pass: "first",
    clock: () => world.now,
    fetch: async (input, init) => {
      const path = String(input);
      seen.push({ path, pass: new Headers(init?.headers).get("authorization") });
      return path === "/board/pass.json" ? Response.json({ pass: "second" }) : world.answer(path);
    },
    news: (document) => heard.push(document),
    ended: (why) => ended.push(why),
  });
  return { feed, world, seen, heard, ended };
}

test("nothing is known before the first answer, and then it ages", async () => {
  const { feed, world } = stage();
  expect(feed.age_ms()).toBeNull();
  await feed.ask();
  world.now += 12_000;
  expect(feed.age_ms()).toBe(12_000);
  expect(feed.now_ms()).toBe(13_000);
});

test("a failure keeps what is shown and does not make it younger", async () => {
  const { feed, world, heard } = stage();
  await feed.ask();
  world.now += 5_000;
  world.answer = () => {
    throw new TypeError("fetch failed");
  };
  expect(await feed.ask()).toBe(true);
  world.answer = () => new Response(null, { status: 503 });
  expect(await feed.ask()).toBe(true);
  expect([feed.age_ms(), heard.length]).toEqual([5_000, 1]);
});

test("the same look again is no news", async () => {
  const { feed, world, heard } = stage();
  await feed.ask();
  world.now += 4_000;
  await feed.ask();
  expect([feed.age_ms(), heard.length]).toEqual([4_000, 1]);
});

test("a pass is renewed before it is over, and when it is refused", async () => {
  const { feed, world, seen } = stage();
  world.now = 41_000;
  await feed.ask();
  world.answer = () => new Response(null, { status: 401 });
  await feed.ask();
  expect(seen.map(({ path, pass }) => `${path} ${pass ?? ""}`.trim())).toEqual([
    "/board/pass.json",
    "/board/now.json Bearer second",
    "/board/now.json Bearer second",
    "/board/pass.json",
  ]);
});

test("a wall whose link is over goes dark for good", async () => {
  const { feed, world, ended } = stage("wall");
  world.answer = () => new Response(null, { status: 401 });
  expect(await feed.ask()).toBe(false);
  expect(ended).toEqual(["link_over"]);
});
