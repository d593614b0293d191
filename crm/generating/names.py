"""What made-up people are called, where they live, what they say."""

from __future__ import annotations

import random
from itertools import accumulate

# By frequency, as the census has them; after the first thirty all are equally seldom.
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾萧田董潘袁蔡蒋余于杜叶"
    "程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾"
    "毛郝龚邵万钱严覃武戴莫孔向汤单解仇"
)
_WEIGHTS = [max(60 / (rank + 6), 0.9) for rank in range(len(SURNAMES))]
_SURNAMES_UP_TO = list(accumulate(_WEIGHTS))
FIRST = "小晓雨子佳梓思欣嘉雅静文建志国玉美丽海春秋明永天一若诗书梦婉芷慧俊浩宇泽晨昊家伟红秀桂"
SECOND = (
    "满雯平远兰明琪静宇玲庆涵萱怡婷琳娜芳敏燕霞娟英华杰涛鹏飞军强磊洋勇峰超波辉刚健凯轩然"
    "豪博睿阳悦彤妍曦月云雪梅荷珍珠"
)
FLOWERS = [
    "小满",
    "大橙子",
    "糯米",
    "芒果",
    "豆豆",
    "果果",
    "元宝",
    "团子",
    "米粒",
    "桃子",
    "安安",
    "可乐",
    "布丁",
    "朵朵",
]
OTHERS = ("妈妈", "爸爸", "姐", "哥", "同学", "老师", "不吃香菜", "爱喝咖啡", "在路上")
LATIN = [
    "Amy",
    "May",
    "Lucy",
    "Kevin",
    "Jason",
    "Cindy",
    "Vivian",
    "Leo",
    "Grace",
    "Tina",
    "Sunny",
    "Coco",
    "Eric",
    "Nico",
]
CITIES = [
    "上海",
    "杭州",
    "北京",
    "深圳",
    "广州",
    "成都",
    "南京",
    "苏州",
    "武汉",
    "西安",
    "重庆",
    "宁波",
    "长沙",
    "青岛",
    "郑州",
    "合肥",
    "厦门",
    "天津",
    "无锡",
    "福州",
    "昆明",
    "济南",
    "大连",
    "沈阳",
    "温州",
    "佛山",
    "东莞",
    "南昌",
    "贵阳",
    "嘉兴",
]
SAID = (
    "请问这款还有货吗",
    "怎么退货",
    "面霜敏感肌能用吗",
    "积分怎么兑换",
    "什么时候发货",
    "订单号在哪里看",
    "有优惠券吗",
    "想约周六到店",
    "收到了，谢谢",
    "人工",
    "地址填错了怎么改",
    "精华用完了再买一瓶",
    "礼盒可以开发票吗",
    "好的",
)
MENU_KEYS = ("MENU_POINTS", "MENU_ORDERS", "MENU_STORE", "MENU_SERVICE", "MENU_NEW")
PAGES = ("/new", "/sale", "/care", "/gift", "/points", "/store", "/story")
CLICKED = ("spring", "618", "autumn", "1111", "members-day")


def real_name(draw: random.Random) -> str:
    """Surname by how frequent it is, and one or two characters."""
    surname = draw.choices(SURNAMES, cum_weights=_SURNAMES_UP_TO)[0]
    if draw.random() < 0.12:
        return surname + draw.choice(SECOND)
    return surname + draw.choice(FIRST) + draw.choice(SECOND)


def nickname(draw: random.Random) -> str:
    """As people call themselves in WeChat."""
    kind = draw.random()
    if kind < 0.62:
        return real_name(draw)
    if kind < 0.82:
        return draw.choice(FLOWERS) + draw.choice(OTHERS)
    if kind < 0.92:
        return draw.choice(LATIN) + draw.choice(("", "", "酱", "小姐", "🌸"))
    return "阿" + draw.choice(SECOND)
