import { beforeEach, describe, expect, test } from "vitest";
import { type Asked, answer_to, NOBODY, person, place_of, work } from "../../fixtures/check.ts";
import { control_plane_with, Edge } from "../../fixtures/edge.ts";
import { document, item, NOW_MS, session } from "../../fixtures/sale.ts";
import { human_trace } from "../../fixtures/traces/human_model.ts";
import type { CheckAnswer } from "./answer.ts";
import { TOLERANCE_PX } from "./puzzle.ts";

/** Scores 30. */
const KEYBOARD = human_trace("keyboard", 3);
let edge: Edge;

beforeEach(() => {
  edge = new Edge();
  edge.control_plane = control_plane_with(document({ switches: { sale_enabled: true } }));
});

const headers = (token: string) => ({ authorization: `Bearer ${token}` });

const enter = (check: CheckAnswer, token = session(), device = "device-1") =>
  edge.fetch("/v1/items/7/entry", {
    method: "POST",
    headers: headers(token),
    body: JSON.stringify({ device, check }),
  });

/** Enters with a trace and gives the refusal, or the entry. */
async function try_with(trace: string, token = session()): Promise<Response> {
  const asked = await edge.fetch("/v1/items/7/check?device=device-1", { headers: headers(token) });
  return enter(await answer_to((await asked.json()) as Asked, trace), token);
}

type Slider = NonNullable<Asked["slider"]>;

async function slider_of(response: Response): Promise<Slider> {
  expect(response.status).toBe(403);
  const { code, slider } = (await response.json()) as { code: string; slider?: Slider };
  expect(code).toBe("challenge");
  if (slider === undefined) throw new Error("there was no puzzle");
  return slider;
}

const rs_of = async (response: Response) => {
  expect(response.status).toBe(200);
  const { entry_token } = (await response.json()) as { entry_token: string };
  return JSON.parse(Buffer.from(entry_token.split(".")[1] ?? "", "base64url").toString()).rs;
};

const place = (token: string, x: number): CheckAnswer => ({ provider: "slider", token, x });

test("a person is not asked, somebody who did nothing is", async () => {
  expect((await try_with(person())).status).toBe(200);
  expect((await slider_of(await try_with(NOBODY))).width).toBe(280);
});

test("somebody else's hands are asked, whoever shows them first is not", async () => {
  expect((await try_with(person(5))).status).toBe(200);
  await slider_of(await try_with(person(5), session({ sub: "bob" })));
});

describe("a gateway's rule that challenges a score", () => {
  const rule = { kind: "score", mode: "enforce", action: "challenge", item: null, min_score: 1 };
  const under = (risk_rules: object[], switches = {}, items = { "7": item() }) => {
    edge = new Edge();
    edge.control_plane = control_plane_with(
      document({ switches: { sale_enabled: true, ...switches }, risk_rules, items }),
    );
  };

  test("is asked here already, where it can be answered, and then not met", async () => {
    under([rule]);
    const { token } = await slider_of(await try_with(KEYBOARD));
    expect(await rs_of(await enter(place(token, await place_of(token))))).toBe(0);
  });

  test.each([
    ["of another item", { item: 8 }],
    ["in shadow", { mode: "shadow" }],
    ["that slows down", { action: "slow" }],
    ["of a higher score", { min_score: 50 }],
    ["that has ended", { until_ms: NOW_MS }],
  ])("%s is none of ours", async (_, change) => {
    under([{ ...rule, ...change }]);
    expect(await rs_of(await try_with(KEYBOARD))).toBe(30);
  });

  test("ends by itself, also in a snapshot that has not changed", async () => {
    under([{ ...rule, until_ms: NOW_MS + 1 }]);
    await slider_of(await try_with(KEYBOARD));
    edge.now_ms += 1;
    expect((await try_with(KEYBOARD)).status).toBe(200);
  });

  test.each(["shadow", "off"])("asks nobody while the rules are switched to %s", async (mode) => {
    under([rule], { risk_mode: mode });
    expect(await rs_of(await try_with(KEYBOARD))).toBe(30);
    under([rule], { risk_mode: "enforce" }, { "7": item({ switches: { risk_mode: mode } }) });
    expect(await rs_of(await try_with(KEYBOARD))).toBe(30);
    under([rule], { risk_mode: mode }, { "7": item({ switches: { risk_mode: "enforce" } }) });
    await slider_of(await try_with(KEYBOARD));
  });
});

describe("the right place", () => {
  test.each([0, TOLERANCE_PX, -TOLERANCE_PX])(
    "%i px off lets in, at half the score",
    async (off) => {
      const { token } = await slider_of(await try_with(NOBODY));
      expect(await rs_of(await enter(place(token, (await place_of(token)) + off)))).toBe(32);
    },
  );

  test("lets in once", async () => {
    const { token } = await slider_of(await try_with(NOBODY));
    const x = await place_of(token);
    expect((await enter(place(token, x))).status).toBe(200);
    const again = (await (await enter(place(token, x))).json()) as object;
    expect(again).toMatchObject({
      code: "challenge",
      detail: "the puzzle was used or has expired",
    });
  });

  test("lets in nobody else, on no other device, and not too late", async () => {
    const { token } = await slider_of(await try_with(NOBODY));
    const x = await place_of(token);
    expect((await enter(place(token, x), session({ sub: "bob" }))).status).toBe(403);
    expect((await enter(place(token, x), session(), "device-2")).status).toBe(403);
    edge.now_ms += 120_000;
    expect((await enter(place(token, x))).status).toBe(403);
  });

  test("too late is no try: it gets a new picture and no work, once, and within the hour", async () => {
    let { token } = await slider_of(await try_with(NOBODY));
    for (let late = 0; late < 4; late += 1) {
      edge.now_ms += 120_000;
      const renewed = await slider_of(await enter(place(token, await place_of(token))));
      expect(renewed).toMatchObject({ renewed: true, lasts_ms: 120_000 });
      const again = (await (await enter(place(token, 0))).json()) as object;
      expect(again).not.toHaveProperty("slider");
      token = renewed.token;
    }
    expect((await enter(place(token, await place_of(token)))).status).toBe(200);
  });

  test("too late does not forget the tries before", async () => {
    let { token } = await slider_of(await try_with(NOBODY));
    ({ token } = await slider_of(await enter(place(token, 0))));
    ({ token } = await slider_of(await enter(place(token, 0))));
    edge.now_ms += 120_000;
    ({ token } = await slider_of(await enter(place(token, 0))));
    const third = (await (await enter(place(token, 0))).json()) as object;
    expect(third).toMatchObject({ detail: "the puzzle was not solved" });
  });

  test("an hour too late begins anew", async () => {
    const end_ms = NOW_MS + 9 * 3_600_000;
    const switches = { sale_enabled: true };
    const items = { "7": item({ end_ms }) };
    edge.control_plane = control_plane_with(document({ switches, items }));
    const { token: other } = await slider_of(await try_with(NOBODY));
    edge.now_ms += 120_000 + 3_600_000;
    const lost = await enter(place(other, 0), session({}, edge.now_ms));
    expect(await lost.json()).toEqual(
      expect.objectContaining({ detail: "the puzzle was used or has expired" }),
    );
  });
});

describe("a wrong place", () => {
  test.each([TOLERANCE_PX + 1, -TOLERANCE_PX - 1])("%i px off gets another puzzle", async (off) => {
    const { token } = await slider_of(await try_with(NOBODY));
    const x = (await place_of(token)) + off;
    const other = await slider_of(await enter(place(token, x)));
    expect(other.token).not.toBe(token);
  });

  test("three times ends it: the check begins anew", async () => {
    let { token } = await slider_of(await try_with(NOBODY));
    for (let tried = 1; tried < 3; tried += 1) {
      ({ token } = await slider_of(await enter(place(token, 0))));
    }
    const last = (await (await enter(place(token, 0))).json()) as object;
    expect(last).toMatchObject({ code: "challenge", detail: "the puzzle was not solved" });
    expect(last).not.toHaveProperty("slider");
  });

  test("cannot be tried twice on one picture", async () => {
    const { token } = await slider_of(await try_with(NOBODY));
    await enter(place(token, 0));
    const right = await enter(place(token, await place_of(token)));
    expect(right.status).toBe(403);
  });
});

test("who cannot see the picture does some work in its place", async () => {
  const { token, instead } = await slider_of(await try_with(NOBODY));
  const payload = await work(instead);
  const other = await slider_of(await try_with(NOBODY));
  const wrong = await enter({ provider: "slider", token: other.token, payload });
  expect(wrong.status, "the work belongs to its puzzle").toBe(403);
  expect(await rs_of(await enter({ provider: "slider", token, payload }))).toBe(32);
});

test.each(["", "a.b", "a.b.c", `${"A".repeat(16)}.${"A".repeat(40)}`])(
  "token %o is none",
  async (token) => {
    expect([400, 403]).toContain((await enter(place(token, 100))).status);
  },
);

test("the refusal does not tell the place", async () => {
  const slider = await slider_of(await try_with(NOBODY));
  expect(Object.keys(slider).sort()).toEqual([
    "background",
    "expires_ms",
    "instead",
    "lasts_ms",
    "piece",
    "piece_y",
    "token",
    "width",
  ]);
});
