/** Every word of the draw's page. `{name}` is replaced by a value. */

import type { Fault } from "./check.ts";

export interface Messages {
  language: string;
  switch_to: string;
  switch_name: string;
  title: string;
  lead: string;
  how_title: string;
  how: readonly string[];
  loading: string;
  not_revealed: readonly [headline: string, sentence: string];
  unknown: readonly [headline: string, sentence: string];
  no_crypto: readonly [headline: string, sentence: string];
  again: string;
  record_right: readonly [headline: string, sentence: string];
  record_wrong: string;
  joined: string;
  holder_label: string;
  bucket_label: string;
  seen_label: string;
  seen_hint: string;
  check: string;
  place_title: string;
  place: string;
  first: string;
  counted: string;
  with_seen: string;
  without_seen: string;
  rows_title: string;
  rows_hint: string;
  rows_check: string;
  rows_going: string;
  rows_right: string;
  rows_unknown: string;
  numbers: string;
  commit: string;
  seed: string;
  download: string;
  faults: Record<Fault, string>;
}

export const en: Messages = {
  language: "en",
  switch_to: "zh-CN",
  switch_name: "中文",
  title: "Check the draw",
  lead: "In this sale it did not matter who was fastest: the order was drawn by lot. Here your own browser recomputes the draw, so you need not take our word for it.",
  how_title: "How it was drawn",
  how: [
    "Before anybody could join, we chose a secret number, the seed, and published its fingerprint. A fingerprint gives nothing away, and nobody can find another seed that has the same one.",
    "Everybody who was in the lobby before the start got a lobby number. It says when you came and nothing else.",
    "At the start the lobby closed. The seed and the number of people who had joined give every lobby number its place, each place exactly once.",
    "Then we published the seed. Whoever has it can recompute every place, as this page does. Had we changed the seed afterwards, its fingerprint would be another.",
  ],
  loading: "Fetching the record of the draw…",
  not_revealed: [
    "Not drawn yet",
    "There is no record for this item so far. The seed is published when the sale starts; before that, nobody can know a place. Please come back then.",
  ],
  unknown: [
    "The record could not be fetched",
    "That says nothing about the draw. Please try again in a moment.",
  ],
  no_crypto: [
    "This browser cannot check it",
    "Recomputing needs a secure connection (https) and a current browser.",
  ],
  again: "Try again",
  record_right: ["The seed is the one that was promised", "Its fingerprint is the published one."],
  record_wrong: "This record does not hold",
  joined: "{count} people joined.",
  holder_label: "Your lobby number or your ticket",
  bucket_label: "Your group",
  seen_label: "The fingerprint you saw before the start",
  seen_hint: "Optional. The campaign's page shows it, and your ticket came with it.",
  check: "Find my place",
  place_title: "Place {place}",
  place:
    "Lobby number {number} was drawn to place {place}: {place} of {size} were served before you.",
  first: "Lobby number {number} was drawn to the very first place of {size}.",
  counted: "Numbers and places count from 0.",
  with_seen: "The fingerprint is also the one that you saw before.",
  without_seen:
    "To be certain that the seed was fixed before, compare the fingerprint with the one you saw before the start.",
  rows_title: "Everybody's places",
  rows_hint: "Your browser can also check the published list, all {count} places of it.",
  rows_check: "Check the whole list",
  rows_going: "{checked} of {count} are right…",
  rows_right: "All {count} places of the published list are right, and none is given twice.",
  rows_unknown: "The list could not be fetched. That says nothing about the draw.",
  numbers: "The numbers themselves",
  commit: "Fingerprint (SHA-256 of the seed)",
  seed: "Seed",
  download: "Download the list",
  faults: {
    unreadable: "The record cannot be read.",
    other_item: "The record is of another item ({item}).",
    algorithm: "The record names a way to draw that this page does not know ({algorithm}).",
    seed: "The seed does not have the published fingerprint: it is not the one that was promised.",
    commit: "The fingerprint is not the one that you saw before the draw.",
    sizes: "The record does not say properly how many joined.",
    not_a_holder: "This is neither a lobby number nor a ticket.",
    ticket_of_other_item: "This ticket is of another item ({item}).",
    ticket_not_of_lobby:
      "This ticket was given after the start, so no place was drawn for it: it queued behind the draw.",
    no_such_bucket: "There is no such group.",
    no_such_number:
      "Lobby number {number} did not take part: there are numbers from 0 to one below {size}.",
    row: "The list has “{row}” where lobby number {number} must have place {place}.",
    rows_missing: "The list ends too early: lobby number {number} is missing.",
    rows_left: "The list has more rows than the {checked} people who joined.",
  },
};

export const zh: Messages = {
  language: "zh-CN",
  switch_to: "en",
  switch_name: "English",
  title: "核验抽签",
  lead: "在这次活动中，手快与否并不重要：顺序由抽签决定。您可以在这里用自己的浏览器重新计算抽签结果，而不必只听我们说。",
  how_title: "抽签是怎样进行的",
  how: [
    "在任何人加入之前，我们选定一个秘密数字（种子），并公布它的指纹。指纹不会泄露种子，也没有人能找到指纹相同的另一个种子。",
    "开始前进入等候厅的每个人都得到一个等候号。它只表示您何时到来，别无他意。",
    "开始时等候厅关闭。种子与加入人数一起决定每个等候号的位次，每个位次恰好出现一次。",
    "随后我们公布种子。任何人都可以像本页一样重新计算每个位次。如果我们事后更换种子，它的指纹就会不同。",
  ],
  loading: "正在获取抽签记录…",
  not_revealed: [
    "尚未抽签",
    "该商品目前没有抽签记录。种子在活动开始时公布；在此之前没有人能知道位次。请届时再来。",
  ],
  unknown: ["未能获取抽签记录", "这并不说明抽签有问题，请稍后重试。"],
  no_crypto: ["此浏览器无法核验", "重新计算需要安全连接（https）和较新的浏览器。"],
  again: "重试",
  record_right: ["种子与承诺的一致", "它的指纹与公布的指纹相同。"],
  record_wrong: "这份记录不成立",
  joined: "共有 {count} 人加入。",
  holder_label: "您的等候号或票据",
  bucket_label: "您的分组",
  seen_label: "您在开始前看到的指纹",
  seen_hint: "可不填。活动页面上有它，您的票据也附有它。",
  check: "查看我的位次",
  place_title: "位次 {place}",
  place: "等候号 {number} 抽到位次 {place}：{size} 人中有 {place} 人排在您前面。",
  first: "等候号 {number} 抽到了 {size} 人中的第一位。",
  counted: "等候号与位次都从 0 开始计数。",
  with_seen: "指纹也与您之前看到的一致。",
  without_seen: "若要确定种子在抽签前已经固定，请与您在开始前看到的指纹核对。",
  rows_title: "所有人的位次",
  rows_hint: "您的浏览器还可以核验公布的完整名单，共 {count} 个位次。",
  rows_check: "核验完整名单",
  rows_going: "已核验 {checked} / {count}，全部正确…",
  rows_right: "公布名单中的 {count} 个位次全部正确，没有重复。",
  rows_unknown: "未能获取名单。这并不说明抽签有问题。",
  numbers: "原始数字",
  commit: "指纹（种子的 SHA-256）",
  seed: "种子",
  download: "下载名单",
  faults: {
    unreadable: "无法读取这份记录。",
    other_item: "这份记录属于另一个商品（{item}）。",
    algorithm: "记录中的抽签方法本页不认识（{algorithm}）。",
    seed: "种子与公布的指纹不符：它不是当初承诺的种子。",
    commit: "指纹与您在抽签前看到的不同。",
    sizes: "记录没有正确说明加入人数。",
    not_a_holder: "这既不是等候号，也不是票据。",
    ticket_of_other_item: "这张票据属于另一个商品（{item}）。",
    ticket_not_of_lobby: "这张票据是开始之后发放的，没有参加抽签，排在抽签之后。",
    no_such_bucket: "没有这个分组。",
    no_such_number: "等候号 {number} 没有参加：等候号从 0 开始，小于 {size}。",
    row: "名单中写的是“{row}”，而等候号 {number} 的位次应为 {place}。",
    rows_missing: "名单不完整：缺少等候号 {number}。",
    rows_left: "名单的行数多于加入的 {checked} 人。",
  },
};

/** The language asked for by `?lang=`, else the browser's. */
export function choose(asked: string | null, browser: string): Messages {
  return (asked ?? browser).toLowerCase().startsWith("zh") ? zh : en;
}

/** A sentence with its values. */
export function filled(
  sentence: string,
  values: Readonly<Record<string, string | number>> = {},
): string {
  return sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}
