"""What the page says, in English and Chinese; both are in the page, one is shown."""

from html import escape

TEXT = {
    "title": ("Sluice, measured", "Sluice 性能实测"),
    "lead": (
        (
            "Every figure stands beside a limit of the same machine, taken in the same run. A "
            "refusal is never counted as a sale."
        ),
        "每个数字旁边都是同一台机器、同一次运行测得的上限。拒绝绝不算作成交。",
    ),
    "language": ("中文", "English"),
    "theme": ("Light / dark", "浅色 / 深色"),
    "machine": ("Machine", "机器"),
    "commit": ("Commit", "提交"),
    "date": ("Date", "日期"),
    "command": ("Command", "命令"),
    "targets met": ("targets met", "项目标达成"),
    "not measured": ("not measured", "未测"),
    "met": ("met", "达成"),
    "missed by": ("missed by", "差距"),
    "missed by a condition": ("value good, a condition missed", "数值达标,附加条件未达成"),
    "target": ("target", "目标"),
    "at least": ("at least", "至少"),
    "at most": ("at most", "至多"),
    "product": ("product", "本系统"),
    "limit": ("limit", "上限"),
    "rounds": ("rounds", "轮次"),
    "spread": ("spread", "极差"),
    "accepted": ("accepted", "受理"),
    "refused": ("refused", "拒绝"),
    "landed": ("landed", "落库"),
    "measures": ("Targets and distances", "目标与差距"),
    "steps": ("Where a purchase's time goes", "一次购买的时间去向"),
    "steps lead": (
        (
            "µs of one gateway worker for each purchase, by a clock at every step, which costs "
            "some itself."
        ),
        "单个网关进程处理每次购买所用的微秒数;每步都有计时,计时本身也有开销。",
    ),
    "chain": ("The whole chain, until something breaks", "全链路加压,直到某环节失守"),
    "chain lead": (
        (
            "Whole sales with the arrivals of a real one, each larger than the one before: calm, "
            "countdown, spike, decay; second clicks, robots, pollers. Latency counts from the "
            "moment at which somebody meant to click."
        ),
        (
            "按真实抢购的到达曲线逐场加大:平静、倒计时、尖峰、回落;含重复点击、机器人与状态轮询。"
            "延迟从用户本该点击的时刻算起。"
        ),
    ),
    "bottleneck": ("Bottleneck", "瓶颈"),
    "none": ("none: every objective was kept", "无:所有目标均守住"),
    "broken": ("Objectives broken", "失守的目标"),
    "evidence": ("Evidence", "依据"),
    "peak": ("peak arrivals/s", "峰值到达/秒"),
    "requests": ("requests", "请求"),
    "repeated": ("repeated", "重复"),
    "unknown": ("unknown", "未知"),
    "rejected": ("rejected", "驳回"),
    "lost": ("lost", "丢失"),
    "gateway p99": ("gateway p99", "网关 p99"),
    "reserve p99": ("reserve p99", "预订 p99"),
    "confirm p99": ("click → CONFIRMED p99", "点击→确认 p99"),
    "relay lag": ("relay lag", "中继滞后"),
    "consumer lag": ("consumer lag", "消费滞后"),
    "machine busy": ("machine busy", "机器占用"),
    "clicks": ("clicks", "点击"),
    "per second": ("Per second of the largest sale, 0 is its start", "最大一场的每秒情况,0 为开售"),
    "ramp": ("p99 by peak arrivals (ms, logarithmic)", "各峰值下的 p99(毫秒,对数刻度)"),
    "cores": ("Cores used in the busiest second", "最忙一秒所用核数"),
    "nothing": ("This part was not run.", "此部分未运行。"),
    "warm": ("Warm here", "本机已预热"),
    "second run": ("second run, whole", "第二次运行,全程"),
}
UNITS = {
    "reservations per Redis core-second": "预订/Redis 核秒",
    "ms": "毫秒",
    "ms, p99": "毫秒,p99",
    "bytes per winner": "字节/中签者",
    "bytes per visitor": "字节/访客",
    "s after promotion": "秒(升主之后)",
    "s": "秒",
}
VARIANTS = {"behind a queue": "(排队之后)", "in the queue": "(排队中)"}
# What parts of the bench say in their own words.
SAID = {
    "what hello takes too: nginx, the kernel": "hello 同样要付出的:nginx 与内核",
    "the rest: waiting and waking, batches, events to Kafka, garbage, log": (
        "其余:等待与唤醒、批处理、发往 Kafka 的事件、垃圾回收、日志"
    ),
    "system packages, and the caches of pip, npm and Maven": (
        "系统软件包,以及 pip、npm、Maven 的缓存"
    ),
}
# What a verdict is put together from, the longer ones first.
PHRASES = {
    "load generator late p99": "压测客户端迟到 p99",
    "exchange with Redis p99": "与 Redis 往返 p99",
    "click → CONFIRMED p99": "点击→确认 p99",
    "gateway p99": "网关 p99",
    "reserve p99": "预订 p99",
    "consumer lag": "消费滞后",
    "relay lag": "中继滞后",
    "Redis busy": "Redis 占用",
    "PostgreSQL busy": "PostgreSQL 占用",
    "on the way to Kafka": "到 Kafka 途中",
    "from there to the order": "从 Kafka 到订单",
    "the machine was full": "机器已满载",
    "all stages share its cores": "各环节共用其核",
    "the whole stack used at most": "整套系统至多占用",
    "most of them": "其中最多的是",
    "itself used": "自身占用",
    "objective": "目标",
    "at most": "至多",
    "busy": "占用",
    "cores": "核",
}
# Stages and the load client, as the verdict names them.
STAGES = {
    "load generator": "压测客户端",
    "gateway": "网关",
    "redis": "库存 Redis",
    "relay": "中继",
    "kafka": "Kafka",
    "order-consumer": "订单消费者",
    "postgres": "PostgreSQL",
}


def both(english: str, chinese: str) -> str:
    """Two spans; the page's language shows one of them."""
    return f'<span lang="en">{escape(english)}</span><span lang="zh-CN">{escape(chinese)}</span>'


def say(name: str) -> str:
    """A text of the table."""
    return both(*TEXT[name])


def said(english: str) -> str:
    """Something that a part of the bench says of itself."""
    return both(english, SAID.get(english, english))


def told(english: str) -> str:
    """A line of a verdict: figures and names stay, what stands around them is translated."""
    chinese = english
    for phrase, word in PHRASES.items():
        chinese = chinese.replace(phrase, word)
    return both(english, chinese)


def stage(name: str | None) -> str:
    """A stage, or that none is to blame."""
    return both(name, STAGES.get(name, name)) if name else say("none")
