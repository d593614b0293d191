from typing import Any

from django.core.management.base import BaseCommand

from core.rotation import rotate_all


class Command(BaseCommand):
    help = (
        "Re-encrypt every secret under the first key of FIELD_KEYS, while the console "
        "runs. Afterwards the old keys may leave FIELD_KEYS."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = 0

        def step(count: int) -> None:
            nonlocal rows
            rows += count
            self.stdout.write(f"{rows} rows looked at")

        result = rotate_all(step)
        self.stdout.write(f"{result['changed']} values re-encrypted.")
