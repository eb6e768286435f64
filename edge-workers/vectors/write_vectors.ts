/** `npm run vectors`: writes `tests/vectors/entry_tokens.json`. Run from `edge-workers/`. */

import "../web_crypto_on_node.ts";
import { mkdir, writeFile } from "node:fs/promises";
import { vectors_text } from "./entry_tokens.ts";

await mkdir("../tests/vectors", { recursive: true });
await writeFile("../tests/vectors/entry_tokens.json", await vectors_text());
