/** Every word of the demo shop; what the element says is in `sdk/words`. */

export interface Messages {
  language: string;
  /** The other language: its tag and its own name. */
  switch_to: string;
  switch_name: string;
  intro_title: string;
  intro: string;
  campaign_label: string;
  open: string;
  no_campaign: string;
  busy_title: string;
  busy: string;
  eyebrow: string;
  promises: readonly (readonly [title: string, text: string])[];
  check_draw: string;
  note: string;
  somebody_else: string;
  pay_unavailable: string;
  pay_too_late: string;
  pay_unknown: string;
  pay_started: string;
}

export const en: Messages = {
  language: "en",
  switch_to: "zh-CN",
  switch_name: "中文",
  intro_title: "A fair place in a short sale",
  intro:
    "Sluice sells a limited number of things to very many people, without selling one twice and " +
    "without losing an order. Enter the name of a campaign to see it.",
  campaign_label: "Campaign",
  open: "Open",
  no_campaign: "There is no campaign with this name. It may not be announced yet.",
  busy_title: "One moment",
  busy: "The sale cannot be reached right now. We keep trying; there is no need to reload.",
  eyebrow: "Flash sale",
  promises: [
    ["No rush", "The clock here follows ours. There is no need to reload or to click fast."],
    ["One each, for sure", "What is reserved for you is sold to nobody else."],
    ["The truth", "You always see whether it is reserved, confirmed or gone."],
  ],
  check_draw: "Check the draw",
  note: "A demo shop. Nothing here costs money.",
  somebody_else: "Shop as somebody else",
  pay_unavailable: "Paying is not built into this demo. Your order stands as it is.",
  pay_too_late: "This order cannot be paid any more.",
  pay_unknown: "The payment did not answer. Please press once more; it is paid once at most.",
  pay_started: "Your payment is on its way.",
};

export const zh: Messages = {
  language: "zh-CN",
  switch_to: "en",
  switch_name: "English",
  intro_title: "短暂的抢购，公平的位置",
  intro: "Sluice 把数量有限的商品卖给非常多的人：不超卖，也不丢单。输入活动名称即可查看。",
  campaign_label: "活动名称",
  open: "打开",
  no_campaign: "没有找到这个活动，它可能尚未公布。",
  busy_title: "请稍候",
  busy: "暂时无法连接，正在为您重试，无需刷新。",
  eyebrow: "限时抢购",
  promises: [
    ["不必着急", "此处的时钟与我们的保持一致，无需刷新，也无需拼手速。"],
    ["一件归一人", "为您预留的商品不会再卖给别人。"],
    ["如实告知", "已预留、已确认还是已售罄，随时看得清楚。"],
  ],
  check_draw: "核对抽签结果",
  note: "演示商店，不会产生任何费用。",
  somebody_else: "换一个身份购物",
  pay_unavailable: "此演示未开通付款，您的订单保持不变。",
  pay_too_late: "该订单已无法付款。",
  pay_unknown: "付款没有答复，请再点一次；同一订单只会付款一次。",
  pay_started: "正在处理您的付款。",
};

/** The language asked for by `?lang=`, else the browser's. */
export function choose(asked: string | null, browser: string): Messages {
  return (asked ?? browser).toLowerCase().startsWith("zh") ? zh : en;
}
