"""The words of built-in rules follow what is asked, unless people wrote their own."""

from django.db import migrations

# builtin_key: (words so far, words from now on)
WORDS = {
    "campaign.Coupon unused": (
        "有 3 天内到期的未用券：提醒",
        "店铺告知有 3 天内到期的未用券：提醒",
    ),
    "interest.Interest: category A": (
        "该品类点击或下单 ≥2 次；每个一级品类一个标签",
        "样板：每个一级品类自动有一个「兴趣·品类名」标签，90 天内该品类下单或点击 ≥2 次",
    ),
    "interest.Interest: new products": (
        "点击过新品内容",
        "90 天内点开过新品内容里的链接",
    ),
    "interest.Interest: how-to": (
        "看完 ≥2 篇教程",
        "90 天内点开过 ≥2 篇教程里的链接（点开即算看完）",
    ),
    "interest.Interest: traceability": (
        "看完 ≥2 篇溯源内容",
        "90 天内点开过 ≥2 篇溯源内容里的链接（点开即算看完）",
    ),
    "service.In after-sales": (
        "有未关闭的售后单",
        "订单有处理中的售后单，或在售后队列里有未结束的会话",
    ),
    "place.Within 3 km": (
        "授权位置在门店 3 公里内",
        "最近一次授权的位置在门店 3 公里内",
    ),
    "campaign.Reserved, unpaid": (
        "预售预约但未付款",
        "90 天内的预售订单已预约、未付款",
    ),
    "campaign.Deposit paid": (
        "预售已付定金",
        "90 天内的预售订单已付定金、未付尾款",
    ),
}
OF_CATEGORIES = (
    "90 天内该品类下单 ≥2 次",
    "90 天内该品类下单或点击 ≥2 次（同一链接一天算一次）",
)


def say(apps, place):
    rows = apps.get_model("crm", "Tag").objects
    for key, words in WORDS.items():
        found = rows.filter(builtin_key=key, rule=words[place])
        found.update(rule=words[1 - place])
    found = rows.filter(group__code="interest", rule=OF_CATEGORIES[place])
    found.update(rule=OF_CATEGORIES[1 - place])


def forwards(apps, _schema_editor):
    say(apps, 0)


def backwards(apps, _schema_editor):
    say(apps, 1)


class Migration(migrations.Migration):
    dependencies = [("crm", "0024_orders_the_rules_look_for")]
    operations = [migrations.RunPython(forwards, backwards)]
