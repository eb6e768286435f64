/** Every word of the page, in every language it speaks. */

/** How an answer feels: still going, good, or final and not good. */
export type Tone = "info" | "good" | "bad";

/** What can be said about a purchase: every outcome, every state of a reservation, and our own. */
export const NEWS_TONES = {
  entering: "info",
  buying: "info",
  reserved: "info",
  pending: "info",
  queued: "info",
  in_line: "info",
  confirmed: "good",
  paid: "good",
  expired: "bad",
  cancelled: "bad",
  rejected: "bad",
  limit_reached: "bad",
  sold_out: "bad",
  ended: "bad",
  not_started: "info",
  challenge: "bad",
  denied: "bad",
  bad_token: "bad",
  bad_request: "bad",
  not_found: "bad",
  rate_limited: "info",
  busy: "info",
  offline: "info",
  no_demo: "bad",
} as const satisfies Record<string, Tone>;

export type News = keyof typeof NEWS_TONES;

/** A headline and a sentence. `{order}` becomes the order number, `{place}` how many are before him. */
type Words = readonly [headline: string, sentence: string];

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
  starts_in: string;
  ends_in: string;
  over: string;
  closed: string;
  days: string;
  hours: string;
  minutes: string;
  seconds: string;
  units: (units: number, limit: number) => string;
  buy: string;
  not_yet: string;
  working: string;
  done: string;
  note: string;
  news: Record<News, Words>;
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
  starts_in: "Opens in",
  ends_in: "Open now. Closes in",
  over: "This sale has ended.",
  closed: "Closed",
  days: "days",
  hours: "hours",
  minutes: "min",
  seconds: "sec",
  units: (units, limit) => `${units.toLocaleString("en")} units · ${limit} per person`,
  buy: "Buy now",
  not_yet: "Not open yet",
  working: "One moment…",
  done: "Yours",
  note: "There is no need to reload: the clock here follows ours.",
  news: {
    entering: ["Going in", "We are checking you in."],
    buying: ["Buying", "Your request is on its way."],
    reserved: ["Reserved for you", "The unit is set aside. We are writing your order."],
    pending: ["Not certain yet", "The answer is taking longer than usual. We keep asking."],
    queued: ["You are in the queue", "Keep this page open, it moves by itself."],
    in_line: [
      "You are in the queue",
      "{place} before you. Keep this page open, it moves by itself.",
    ],
    confirmed: ["It is yours", "Your order is {order}."],
    paid: ["Paid", "Thank you. Your order is {order}."],
    expired: ["The time to pay has passed", "The unit went back to the others."],
    cancelled: ["Cancelled", "This order was cancelled."],
    rejected: ["We are sorry", "We could not keep this reservation. You have not been charged."],
    limit_reached: ["You already have yours", "This is as many as one person can buy."],
    sold_out: ["Sold out", "All units have found an owner. Thank you for trying."],
    ended: ["The sale has ended", "Thank you for coming."],
    not_started: ["A little early", "The sale opens when the clock reaches zero."],
    challenge: ["A check is needed", "Please prove that you are a person, then try again."],
    denied: ["Not possible", "This purchase was declined."],
    bad_token: ["Your visit has expired", "Please press the button once more."],
    bad_request: ["Something is wrong with this page", "Please reload it."],
    not_found: ["Not found", "This item is not on sale here."],
    rate_limited: ["Too fast", "We try again for you in a moment."],
    busy: ["Very busy", "We try again for you in a moment."],
    offline: ["No connection", "We try again as soon as you are back."],
    no_demo: ["Only for looking", "Buying without a shop is switched off here."],
  },
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
  starts_in: "距离开始",
  ends_in: "正在进行，距离结束",
  over: "本次活动已结束。",
  closed: "已结束",
  days: "天",
  hours: "时",
  minutes: "分",
  seconds: "秒",
  units: (units, limit) => `共 ${units.toLocaleString("zh-CN")} 件 · 每人限购 ${limit} 件`,
  buy: "立即抢购",
  not_yet: "尚未开始",
  working: "请稍候…",
  done: "已抢到",
  note: "无需刷新：此处的时钟与我们的保持一致。",
  news: {
    entering: ["正在进入", "正在为您核验。"],
    buying: ["正在下单", "您的请求已发出。"],
    reserved: ["已为您预留", "商品已锁定，正在生成订单。"],
    pending: ["结果待确认", "返回结果比平时慢，我们会继续查询。"],
    queued: ["排队中", "请保持页面打开，进度会自动更新。"],
    in_line: ["排队中", "前面还有 {place} 人。请保持页面打开，进度会自动更新。"],
    confirmed: ["抢购成功", "您的订单号：{order}。"],
    paid: ["已付款", "谢谢。您的订单号：{order}。"],
    expired: ["付款时间已过", "商品已退回给其他买家。"],
    cancelled: ["已取消", "该订单已取消。"],
    rejected: ["非常抱歉", "我们未能保留这次预留，您未被扣款。"],
    limit_reached: ["您已经抢到", "已达到每人限购数量。"],
    sold_out: ["已售罄", "全部商品已有归属，感谢参与。"],
    ended: ["活动已结束", "感谢您的到来。"],
    not_started: ["还早一点", "倒计时归零时开始。"],
    challenge: ["需要验证", "请先完成真人验证，然后重试。"],
    denied: ["无法购买", "本次购买未被接受。"],
    bad_token: ["本次访问已过期", "请再点一次按钮。"],
    bad_request: ["页面出了点问题", "请刷新页面。"],
    not_found: ["没有找到", "这里没有出售该商品。"],
    rate_limited: ["操作太快", "稍后将为您自动重试。"],
    busy: ["当前非常繁忙", "稍后将为您自动重试。"],
    offline: ["网络已断开", "恢复连接后将为您自动重试。"],
    no_demo: ["仅供浏览", "此处未开放无店铺购买。"],
  },
};

/** The language asked for by `?lang=`, else the browser's. */
export function choose(asked: string | null, browser: string): Messages {
  return (asked ?? browser).toLowerCase().startsWith("zh") ? zh : en;
}
