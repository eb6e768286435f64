// Your shop's two duties, in Node 18 without a library: sign who the shopper is, read what happened.
// Copy it. The same as python_shop.py; tests/deploy/test_examples.py holds the three languages together.
import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE_S = 300;
const base64url = (value) => Buffer.from(value).toString("base64url");

/** A session for one shopper. `kid` and `secret` are your session key's, `shopper` your own id of him. */
export function sign_session(merchant, kid, secret, shopper, now = Math.floor(Date.now() / 1000), lifetime_s = 3600) {
  const header = { alg: "HS256", typ: "JWT", kid };
  const claims = { iss: merchant, aud: "sluice", sub: shopper, iat: now, exp: now + lifetime_s };
  const signed = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;
  const mac = createHmac("sha256", Buffer.from(secret, "base64url")).update(signed).digest("base64url");
  return `${signed}.${mac}`;
}

/** The event; throws. `headers` with lower-case names, `body` a Buffer as it came. Remember `event.id`. */
export function read_webhook(secret, headers, body, now = Date.now() / 1000) {
  const sent_at = headers["webhook-timestamp"];
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const mac = createHmac("sha256", key).update(`${headers["webhook-id"]}.${sent_at}.`).update(body).digest("base64");
  const good = Buffer.from(`v1,${mac}`);
  // While a secret is being replaced there are two signatures; one has to fit.
  const fits = headers["webhook-signature"].split(" ").some((one) => {
    const given = Buffer.from(one);
    return given.length === good.length && timingSafeEqual(given, good);
  });
  if (!fits) throw new Error("wrong signature");
  if (!(Math.abs(now - Number(sent_at)) <= TOLERANCE_S)) throw new Error("too old");
  return JSON.parse(body.toString("utf8"));
}
