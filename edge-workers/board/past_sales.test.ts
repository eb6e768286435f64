import { expect, test } from "vitest";
import { MESSAGES } from "./messages.ts";
import { PastSales } from "./past_sales.ts";

const FRAMES = { frames: [{ at_ms: 1 }], missing_ms: 2000 };

/** A control plane that answers each sale when the test says so, with what it says. */
function stage() {
  const answers = new Map<string, (answer: Response) => void>();
  const sales = new PastSales(
    (input) => new Promise((done) => answers.set(String(input), done)),
    MESSAGES.en,
  );
  const answer = (slug: string, said: Response) =>
    answers.get(`/board/replay/${slug}.json`)?.(said);
  return { sales, answer };
}

test("a sale's frames, and what is missing of it", async () => {
  const { sales, answer } = stage();
  const chosen = sales.choose("spring");
  answer("spring", Response.json(FRAMES));
  expect(await chosen).toEqual({ ...FRAMES, problem: "" });
});

test.each([
  [
    Response.json({ title: "Prometheus does not answer." }, { status: 503 }),
    /^Prometheus does not/,
  ],
  [new Response("<html>", { status: 502 }), /^It did not work: 502$/],
  [new Response("<html>", { status: 200 }), /^It did not work: SyntaxError/],
  [Response.json({ frames: [], missing_ms: null }), /^Prometheus kept nothing of it\.$/],
])("why there are no frames is said as it is: %#", async (said, words) => {
  const { sales, answer } = stage();
  const chosen = sales.choose("spring");
  answer("spring", said);
  const sale = await chosen;
  expect(sale?.frames).toEqual([]);
  expect(sale?.problem).toMatch(words);
});

test.each(["summer", ""])(
  "a slow answer does not take the place of a later choice: %j",
  async (later) => {
    const { sales, answer } = stage();
    const first = sales.choose("spring");
    const second = sales.choose(later);
    answer("summer", Response.json(FRAMES));
    expect(await second).not.toBeNull();
    answer("spring", Response.json(FRAMES));
    expect(await first).toBeNull();
  },
);
