/** The page of a campaign that is not there. */

import type { Language } from "./files.ts";

const WORDS = {
  en: {
    tag: "en",
    title: "There is no such sale here",
    text: "It may not be announced yet, or it was over a while ago. Please check the address.",
    back: "To the start page",
  },
  zh: {
    tag: "zh-CN",
    title: "这里没有这个活动",
    text: "它可能尚未公布，或者早已结束。请检查网址。",
    back: "返回首页",
  },
} as const satisfies Record<Language, Record<string, string>>;

/** The whole page. Nothing of the address is in it. */
export function not_found_html(language: Language): string {
  const { tag, title, text, back } = WORDS[language];
  return `<!doctype html>
<html lang="${tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title}</title>
<link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
<link rel="stylesheet" href="/assets/page.css">
</head>
<body class="narrow">
<header class="bar">
<a class="brand" href="/?lang=${tag}"><img src="/assets/icon.svg" width="28" height="28" alt=""> Sluice</a>
</header>
<main class="sheet">
<h1>${title}</h1>
<p class="muted">${text}</p>
<p><a class="go" href="/?lang=${tag}">${back}</a></p>
</main>
</body>
</html>
`;
}
