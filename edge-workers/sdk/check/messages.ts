/** Every word of the human check that a shopper can see or hear. */

export type Lang = "en" | "zh";

const EN = {
  title: "One quick check",
  explain: "Move the slider until the piece fits into its hole. The arrow keys work too.",
  slider: "Position of the piece",
  position: "{value} of {most}",
  submit: "Done",
  instead: "Continue without the picture",
  instead_hint: "Your device does some work for it. This takes some seconds.",
  working: "Working, please wait …",
  renewed: "The picture before was too old. Here is a new one; nothing is lost.",
  turnstile: "Please confirm that you are a person.",
} as const;

export type MessageName = keyof typeof EN;

const ZH: Record<MessageName, string> = {
  title: "快速验证",
  explain: "拖动滑块，让拼图块嵌入缺口。也可以使用方向键。",
  slider: "拼图块的位置",
  position: "第 {value} 格，共 {most} 格",
  submit: "完成",
  instead: "不用图片，继续",
  instead_hint: "改由您的设备进行一些计算，需要几秒钟。",
  working: "正在计算，请稍候……",
  renewed: "之前的图片已过期，已为您更换新图，进度不受影响。",
  turnstile: "请确认您是真人。",
};

const MESSAGES: Record<Lang, Record<MessageName, string>> = { en: EN, zh: ZH };

/** A text with its `{names}` filled in. */
export function say(lang: Lang, name: MessageName, values: Record<string, number> = {}): string {
  return MESSAGES[lang][name].replace(/\{([a-z]+)\}/g, (_, key: string) => String(values[key]));
}
