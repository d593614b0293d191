"""Everything the simulated platforms remember. All times are virtual Unix seconds
unless a field's name says ``real``."""

# Rows are read by programs; nothing ever prints one.
# ruff: noqa: DJ008

from typing import Any

from django.db import models


class Setting(models.Model):
    """A value that the control API may change; the defaults stand in ``options``."""

    key = models.CharField(max_length=64, primary_key=True)
    value: Any = models.JSONField()


class Account(models.Model):
    """An official account or a WeCom corp, with the one app that the console holds."""

    class Kind(models.TextChoices):
        SERVICE = "service"
        SUBSCRIPTION = "subscription"
        WECOM = "wecom"

    class Mode(models.TextChoices):
        PLAIN = "plain"
        COMPAT = "compat"
        SAFE = "safe"

    slug = models.CharField(max_length=40, primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    name = models.CharField(max_length=60)
    app_id = models.CharField(max_length=40, blank=True)
    gh_id = models.CharField(max_length=40, blank=True)
    corp_id = models.CharField(max_length=40, blank=True)
    agent_id = models.CharField(max_length=20, blank=True)
    secret = models.CharField(max_length=64)
    token = models.CharField(max_length=64)
    aes_key = models.CharField(max_length=43)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    callback_override = models.CharField(max_length=500, blank=True)
    openid_prefix = models.CharField(max_length=8, blank=True)
    menu: Any = models.JSONField(null=True)
    failed_in_a_row = models.IntegerField(default=0)
    silent_until = models.FloatField(default=0)
    mass_speed = models.IntegerField(default=0)
    # API mass-send protection: an administrator confirms each mass send.
    mass_needs_admin = models.BooleanField(default=False)
    # The finish event goes out before the call that sent is answered.
    mass_finishes_first = models.BooleanField(default=False)
    web_domains: Any = models.JSONField(default=list)

    @property
    def is_wecom(self) -> bool:
        return self.kind == self.Kind.WECOM

    @property
    def receive_id(self) -> str:
        """The id inside every encrypted body: AppID, or CorpID on WeCom."""
        return self.corp_id if self.is_wecom else self.app_id


class Person(models.Model):
    """A virtual person: one unionid, one openid per account, one id for the corp."""

    id = models.CharField(max_length=24, primary_key=True)
    name = models.CharField(max_length=64)
    unionid = models.CharField(max_length=32, unique=True)
    external_userid = models.CharField(max_length=40, unique=True)
    created_at = models.FloatField()
    touched_at = models.FloatField(db_index=True)


class Follow(models.Model):
    """What one person is to one official account, following or not."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="follows")
    account = models.ForeignKey(Account, models.CASCADE)
    openid = models.CharField(max_length=32, unique=True)
    subscribed = models.BooleanField(default=False)
    subscribe_time = models.IntegerField(default=0)
    subscribe_scene = models.CharField(max_length=40, blank=True)
    qr_scene = models.BigIntegerField(default=0)
    qr_scene_str = models.CharField(max_length=64, blank=True)
    remark = models.CharField(max_length=30, blank=True)
    tag_ids: Any = models.JSONField(default=list)
    # Mass messages received in the calendar month ``mass_month`` (yyyy-mm, Beijing).
    mass_month = models.CharField(max_length=7, blank=True)
    mass_used = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint("person", "account", name="one_follow_per_account")
        ]


class Grant(models.Model):
    """Messages an account may still send to a follower because of one trigger."""

    follow = models.ForeignKey(Follow, models.CASCADE, related_name="grants")
    trigger = models.CharField(max_length=10)
    left = models.IntegerField()
    expires_at = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint("follow", "trigger", name="one_grant_per_trigger")
        ]


class Colleague(models.Model):
    userid = models.CharField(max_length=40, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE)
    name = models.CharField(max_length=40)
    position = models.CharField(max_length=40, blank=True)
    department = models.IntegerField(default=1)


class Friendship(models.Model):
    """A WeCom contact: kept after it ended, so that history can be shown."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="friendships")
    colleague = models.ForeignKey(Colleague, models.CASCADE)
    remark = models.CharField(max_length=40, blank=True)
    description = models.CharField(max_length=150, blank=True)
    remark_corp_name = models.CharField(max_length=40, blank=True)
    remark_mobiles: Any = models.JSONField(default=list)
    createtime = models.IntegerField()
    add_way = models.IntegerField(default=1)
    is_confirmed = models.BooleanField(default=True)
    state = models.CharField(max_length=30, blank=True)
    tag_ids: Any = models.JSONField(default=list)
    ended_at = models.FloatField(null=True)
    ended_by = models.CharField(max_length=10, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("person", "colleague", name="one_friendship")
        ]


class WelcomeCode(models.Model):
    code = models.CharField(max_length=80, primary_key=True)
    friendship = models.ForeignKey(Friendship, models.CASCADE)
    created_at = models.FloatField()
    is_used = models.BooleanField(default=False)


class CorpTag(models.Model):
    id = models.CharField(max_length=40, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE)
    group_id = models.CharField(max_length=40)
    group_name = models.CharField(max_length=30)
    name = models.CharField(max_length=30)
    order = models.IntegerField(default=0)
    create_time = models.IntegerField()


class ContactWay(models.Model):
    config_id = models.CharField(max_length=40, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE)
    body: Any = models.JSONField()
    created_at = models.FloatField()


class KfAccount(models.Model):
    open_kfid = models.CharField(max_length=64, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE)
    name = models.CharField(max_length=16)


class KfSession(models.Model):
    """State of one customer at one kf account (0 new … 4 ended)."""

    kf = models.ForeignKey(KfAccount, models.CASCADE)
    person = models.ForeignKey(Person, models.CASCADE)
    state = models.IntegerField(default=0)
    servicer_userid = models.CharField(max_length=40, blank=True)
    wrote_at = models.FloatField(default=0)
    welcomed_at = models.FloatField(default=0)
    left = models.IntegerField(default=0)
    scene = models.CharField(max_length=32, blank=True)
    scene_param = models.CharField(max_length=128, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint("kf", "person", name="one_kf_session")]


class KfMessage(models.Model):
    """One item of ``kf/sync_msg``; the id is the position of the cursor."""

    kf = models.ForeignKey(KfAccount, models.CASCADE)
    send_time = models.IntegerField(db_index=True)
    body: Any = models.JSONField()


class KfToken(models.Model):
    value = models.CharField(max_length=128, primary_key=True)
    kf = models.ForeignKey(KfAccount, models.CASCADE)
    created_at = models.FloatField()


class KfCode(models.Model):
    """A code of ``kf/send_msg_on_event``: good for one message."""

    code = models.CharField(max_length=64, primary_key=True)
    session = models.ForeignKey(KfSession, models.CASCADE)
    session_state = models.IntegerField(null=True)
    expires_at = models.FloatField()
    is_used = models.BooleanField(default=False)


class KfSent(models.Model):
    """A message the API sent: its msgid must be unique in the kf account."""

    kf = models.ForeignKey(KfAccount, models.CASCADE)
    msgid = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint("kf", "msgid", name="one_kf_msgid")]


class Message(models.Model):
    """One line on a person's phone. ``address`` is a slug, open_kfid or userid."""

    class Sender(models.TextChoices):
        ACCOUNT = "account"
        PERSON = "person"
        SYSTEM = "system"

    person = models.ForeignKey(Person, models.CASCADE, related_name="messages")
    address = models.CharField(max_length=64)
    sender = models.CharField(max_length=10, choices=Sender.choices)
    type = models.CharField(max_length=20)
    text = models.TextField(blank=True)
    extra: Any = models.JSONField(default=dict)
    at = models.FloatField()
    # What a mass message says stands once, in its row.
    mass = models.ForeignKey("Mass", models.CASCADE, null=True, db_index=False)

    class Meta:
        indexes = [models.Index(fields=["person", "address", "id"], name="screen")]

    @property
    def words(self) -> str:
        return self.mass.text if self.mass else self.text

    @property
    def details(self) -> dict[str, Any]:
        """What the line shows besides its text."""
        if self.mass is None:
            return dict(self.extra)
        return {**self.mass.extra, "mass": self.mass.pk}


class Mass(models.Model):
    """One mass send; the id is the platform's ``msg_id``."""

    class State(models.TextChoices):
        WAITING = "waiting"  # for the administrator
        SENDING = "sending"
        DONE = "done"
        FAILED = "failed"

    account = models.ForeignKey(Account, models.CASCADE)
    is_to_all = models.BooleanField(default=False)
    tag_id = models.IntegerField(null=True)
    type = models.CharField(max_length=20)
    text = models.TextField(blank=True)
    extra: Any = models.JSONField(default=dict)
    draft_id = models.CharField(max_length=80, blank=True)
    clientmsgid = models.CharField(max_length=80)
    created_at = models.FloatField()
    started_at = models.FloatField(null=True)
    finished_at = models.FloatField(null=True)
    state = models.CharField(max_length=10, choices=State.choices)
    status = models.CharField(max_length=40, blank=True)
    is_deleted = models.BooleanField(default=False)
    per_minute = models.IntegerField()
    total = models.IntegerField()
    # How many of ``total`` were looked at, and up to which follower of a tag.
    done = models.IntegerField(default=0)
    newest_follow = models.BigIntegerField(default=0)
    sent = models.IntegerField(default=0)
    finish_push = models.BigIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["state"],
                condition=models.Q(state__in=["waiting", "sending"]),
                name="unfinished_mass",
            ),
            models.Index(fields=["account", "clientmsgid"], name="mass_client_id"),
        ]


class MassList(models.Model):
    """The openids of ``touser`` as a JSON text; none when it went to all or a tag."""

    mass = models.OneToOneField(Mass, models.CASCADE, primary_key=True)
    openids = models.TextField()


class Draft(models.Model):
    media_id = models.CharField(max_length=80, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE)
    articles: Any = models.JSONField()
    created_at = models.FloatField()
    updated_at = models.FloatField()


class Article(models.Model):
    """The page of one article, made when its draft was first sent as it stands."""

    sn = models.CharField(max_length=40, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE)
    draft_id = models.CharField(max_length=80)
    position = models.IntegerField()
    body: Any = models.JSONField()
    published_at = models.FloatField()
    is_deleted = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["draft_id", "position"], name="article_page")]


class WebCode(models.Model):
    """A code of web authorisation: five minutes, one use."""

    code = models.CharField(max_length=40, primary_key=True)
    follow = models.ForeignKey(Follow, models.CASCADE)
    scope = models.CharField(max_length=20)
    created_at = models.FloatField()
    is_used = models.BooleanField(default=False)


class Media(models.Model):
    media_id = models.CharField(max_length=80, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE)
    type = models.CharField(max_length=10)
    filename = models.CharField(max_length=120)
    content_type = models.CharField(max_length=80)
    size = models.IntegerField()
    created_at = models.FloatField()
    is_permanent = models.BooleanField(default=False)


class MpTag(models.Model):
    account = models.ForeignKey(Account, models.CASCADE)
    tag_id = models.IntegerField()
    name = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.UniqueConstraint("account", "tag_id", name="one_mp_tag_id"),
            models.UniqueConstraint("account", "name", name="one_mp_tag_name"),
        ]


class QrCode(models.Model):
    ticket = models.CharField(max_length=120, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE)
    scene = models.CharField(max_length=64)
    is_number = models.BooleanField()
    url = models.CharField(max_length=120)
    expires_at = models.FloatField(null=True)


class Token(models.Model):
    """An access token; the three kinds are spaces that do not touch each other."""

    class Kind(models.TextChoices):
        PLAIN = "plain"
        STABLE = "stable"
        WECOM = "wecom"

    value = models.CharField(max_length=512, primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    issued_at = models.FloatField()
    expires_at = models.FloatField()
    dies_at = models.FloatField(null=True)


class Use(models.Model):
    """How often something limited was done in one period."""

    account = models.ForeignKey(Account, models.CASCADE)
    key = models.CharField(max_length=120)
    period = models.CharField(max_length=20)
    used = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint("account", "key", "period", name="one_use")
        ]


class Push(models.Model):
    """One callback to deliver; a wanted duplicate is a row of its own."""

    class State(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        FAILED = "failed"

    account = models.ForeignKey(Account, models.CASCADE)
    person = models.ForeignKey(Person, models.CASCADE, null=True)
    openid = models.CharField(max_length=32, blank=True)
    kind = models.CharField(max_length=60)
    body = models.TextField()
    copy_of = models.BigIntegerField(null=True)
    created_at = models.FloatField()
    due_real_at = models.FloatField()
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.PENDING
    )
    attempts = models.IntegerField(default=0)
    first_failed_at = models.FloatField(null=True)

    class Meta:
        indexes = [models.Index(fields=["state", "due_real_at", "id"], name="due")]


class PushAttempt(models.Model):
    push = models.ForeignKey(Push, models.CASCADE, related_name="tries")
    at = models.FloatField()
    url = models.CharField(max_length=700)
    status = models.IntegerField(null=True)
    answer = models.TextField(blank=True)
    error = models.CharField(max_length=200, blank=True)
    milliseconds = models.IntegerField()


class Call(models.Model):
    """One request that the API received, with the answer it was given."""

    at = models.FloatField(db_index=True)
    real_at = models.FloatField(db_index=True)
    platform = models.CharField(max_length=4)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=200)
    query: Any = models.JSONField()
    # Long lists in it are cut: the whole text is then in ``CallBody``.
    body: Any = models.JSONField(null=True)
    is_cut = models.BooleanField(default=False)
    status = models.IntegerField()
    answer: Any = models.JSONField(null=True)
    account_slug = models.CharField(max_length=40, blank=True)
    fault = models.CharField(max_length=40, blank=True)
    delivered = models.BooleanField(default=True)


class CallBody(models.Model):
    """The body of a call as it came, when ``Call`` holds only a part of it."""

    # Whoever deletes calls deletes these first, all at once.
    call = models.OneToOneField(Call, models.DO_NOTHING, primary_key=True)
    text = models.TextField()


class Fault(models.Model):
    path = models.CharField(max_length=200)
    fault = models.CharField(max_length=40)
    left = models.IntegerField()
    hold_seconds = models.FloatField(default=20)


class ShopOrder(models.Model):
    """What a person bought in the shop of the sandbox; amounts in yuan, as text."""

    number = models.CharField(max_length=32, unique=True)
    person = models.ForeignKey(Person, models.CASCADE, related_name="shop_orders")
    at = models.FloatField()
    lines: Any = models.JSONField()
    amount = models.CharField(max_length=14)
    discount = models.CharField(max_length=14)
    has_coupon = models.BooleanField(default=False)
    is_pickup = models.BooleanField(default=False)
    # What the console made of it; told again until it took it.
    is_told = models.BooleanField(default=False)
    member = models.BigIntegerField(null=True)
    console_answer = models.CharField(max_length=200, blank=True)


class ShopRefund(models.Model):
    order = models.ForeignKey(ShopOrder, models.CASCADE, related_name="refunds")
    number = models.CharField(max_length=40, unique=True)
    at = models.FloatField()
    amount = models.CharField(max_length=14)
    is_told = models.BooleanField(default=False)
    console_answer = models.CharField(max_length=200, blank=True)
