"""The texts that the rows of vectors send: made up anew, or fixed where what comes back is known."""

from __future__ import annotations

import random
import re

from bgecheck.knowledge.characters import COMMON
from bgecheck.knowledge.models import Model

CROWD = 8
"""Requests at the same time: enough to share a batch in the scheduler, few enough to harm nobody."""

FILLERS = 10
"""Short texts between those of the crowd in one request: 18 texts, more than engines put into one batch of 8 or 16."""

LARGEST_BATCH = 30
"""Texts of one request; text-embeddings-inference refuses more than 32 by default."""

SHARED, TAIL = 260, 40
"""Characters that two long texts begin with, and those in which they differ: cuts at 128 and 256 tokens are usual."""

LONG_TEXT, LARGEST_CHUNK = 200, 16384
"""Characters of one text of the long batch; tokens of the largest chunk that is overflowed, sglang's own maximum."""

COUNTED = (("北京天安门", 7), ("天", 3), ("你好", 4), ("A天", 4), ("a天", 4))
"""Texts and their tokens, [CLS] and [SEP] included, where each Chinese character is a token.

The last two are one and the same to a tokenizer that lower-cases; to one that does not, the first begins with [UNK].
"""

GOLDEN_MODEL, GOLDEN_PAIR = "bge-large-zh-v1.5", ("The weather is lovely today.", "It's so sunny outside!")

QUICK_TRIPLES = 6
"""Of the triples, that a short run sends: random weights put a relative 0.02 nearer than a stranger, models 0.1."""

TRIPLES = (
    ("如何重置登录密码？", "忘记登录密码后怎样重新设置？", "今天的天气非常适合去公园散步"),
    ("手机屏幕碎了怎么维修？", "手机屏幕摔坏了去哪里修？", "这部电影的结局让人意想不到"),
    ("明天北京会下雨吗？", "北京明天的天气预报有雨吗？", "公司的年度财务报告已经发布"),
    ("怎样学好英语口语？", "提高英语口语水平的方法", "新能源汽车的电池寿命有多长"),
    ("这家餐厅的菜很好吃", "这家饭店的菜味道非常好", "服务器的内存不够用了"),
    ("如何申请退款？", "我想退款应该怎么申请？", "地球绕太阳公转一周需要一年"),
    ("孩子发烧了怎么办？", "小孩发烧应该如何处理？", "股票市场今天大幅下跌"),
    ("这本书的作者是谁？", "请问这本书是谁写的？", "周末我们去爬山吧"),
    ("电脑开不了机怎么办", "笔记本按下电源键没有任何反应", "他们计划夏天去海边度假"),
    ("这趟航班取消了", "飞机因故不再起飞", "她喜欢在阳台上种花"),
    ("医生让他多休息", "大夫建议病人卧床静养", "这座桥有一百年历史"),
    ("公司今年赚了很多钱", "企业年度利润大幅增加", "小猫在沙发上睡着了"),
    ("房租太贵了住不起", "租金过高，难以承担", "足球比赛打成了平局"),
    ("考试没有通过", "测验成绩不及格", "超市里的苹果很新鲜"),
    ("路上堵车非常严重", "交通拥挤，车辆几乎不动", "老师正在讲解古诗"),
    ("网络连接总是断开", "上网经常掉线", "奶奶做的红烧肉很香"),
)
"""A text, one that means the same, and one that has nothing to do with it; any Chinese model tells them apart.

In the second half the two share hardly a character, so that a model without meaning gets them right by chance only.
"""

TRIPLES_EN = (
    (
        "How do I reset my password?",
        "I forgot my password, how can I set a new one?",
        "The weather is fine for a walk.",
    ),
    ("My phone screen is broken.", "The display of my phone is cracked.", "The ending of this film surprised me."),
    ("Will it rain in Paris tomorrow?", "Is rain expected in Paris tomorrow?", "The annual report was published."),
    ("How can I improve my spoken English?", "Ways to get better at speaking English", "Batteries age slowly."),
    ("The food in this restaurant is great.", "This restaurant serves delicious food.", "The disk is full."),
    ("How do I ask for a refund?", "I want my money back, what must I do?", "The earth goes round the sun."),
    ("My child has a fever, what can I do?", "What helps a child with a fever?", "Shares fell sharply today."),
    ("Who wrote this book?", "Who is the author of this book?", "Let us go hiking at the weekend."),
    (
        "The laptop will not turn on.",
        "Nothing happens when I press my computer's power button.",
        "We love the seaside.",
    ),
    ("The flight was cancelled.", "This plane is not going to take off.", "She grows flowers on her balcony."),
    ("The doctor told him to rest.", "A physician advised staying in bed.", "This bridge is a hundred years old."),
    ("Our firm earned a lot.", "Annual company profits rose sharply.", "A kitten fell asleep on the sofa."),
    ("I cannot afford this flat.", "Rents are too high for me.", "The football match ended in a draw."),
    ("He failed the exam.", "His test score was below the pass mark.", "Fresh apples are sold over there."),
    ("Traffic is terrible today.", "Cars are hardly moving.", "Our teacher explains a poem."),
    ("The internet keeps dropping.", "My connection is lost again and again.", "Grandmother cooks a tasty stew."),
)


def fresh_texts(rng: random.Random, count: int, length: int = 16) -> list[str]:
    """`count` Chinese texts of `length` characters that no server has seen before."""
    return ["".join(rng.choices(COMMON, k=length)) for _ in range(count)]


def fresh_three(rng: random.Random) -> list[str]:
    """Three new texts; the last is three times as long as the others, so that most of their row is padding.

    The first two are of one length: what makes one token of every character gives them one vector.
    """
    return ["".join(rng.choices(COMMON, k=length)) for length in (16, 16, 48)]


def long_pair(rng: random.Random) -> list[str]:
    """Two new texts of 302 tokens that differ in their last 40 characters only."""
    shared, *ends = ("".join(rng.choices(COMMON, k=length)) for length in (SHARED, TAIL, TAIL))
    return [shared + end for end in ends]


def places(some: int, of: int) -> tuple[int, ...]:
    """The places of `some` texts that stand as far apart as can be among `of` of them, first and last included."""
    return tuple(round(n * (of - 1) / max(some - 1, 1)) for n in range(some))


def counts_characters(model: Model | None) -> bool:
    """Whether the model's tokenizer is BERT's own, which makes one token of each Chinese character."""
    return model is not None and model.architecture == "BertModel" and "multilingual" not in model.name


def folds_case(model: Model | None) -> bool:
    """Whether the model's tokenizer makes small letters of capitals; False too where that is not known."""
    return model is not None and bool(
        re.fullmatch(r"bge-(?:(?:base|large)-zh.*|(?:small|base|large)-en.*)", model.name)
    )


def triples_for(name: str) -> tuple[tuple[str, str, str], ...]:
    """The triples in a language that the model knows; none for a model that is not known."""
    if not name:
        return ()
    english = "-en" in name or name in _ENGLISH
    return TRIPLES_EN if english else TRIPLES


_ENGLISH = frozenset(
    {
        *(f"{kind}-{size}" for kind in ("e5", "gte") for size in ("small", "base", "large")),
        *(f"e5-{size}-v2" for size in ("small", "base", "large")),
        *(f"snowflake-arctic-embed-{size}" for size in "sml"),
        "all-minilm-l6-v2",
        "all-minilm-l12-v2",
        "e5-mistral-7b-instruct",
        "mxbai-embed-large-v1",
    }
)
"""Models of English only, whose names do not say so."""


def probe_texts(rng: random.Random) -> list[str]:
    """Five texts to compare with a reference, 120 tokens in all: Chinese, English, digits, capitals, long and short.

    Each begins anew, for a server that keeps what it computed of a text answers the second time from there.
    """
    ends = (
        "北京天安门",
        "今天天气怎么样？",
        "The quick brown fox jumps over the lazy dog.",
        "GPT 和 BERT 有什么区别？2024 年的 GPU 要多少显存",
        "向量检索把文本变成数字，再按相似度排序；同一段话无论单独发送还是批量发送，结果都应该一样。",
    )
    return ["".join(rng.choices(COMMON, k=6)) + end for end in ends]
