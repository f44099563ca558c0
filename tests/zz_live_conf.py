import os
from tests.reference import kernel
from transforms.context.live import resident
from transforms.context.advance import advance_memory
from transforms.context.memory import Memory
resident.MOST = float(os.environ.get("MOST", "2"))
import collections
STATS = collections.Counter()
def advance(self, signals, upto, *, final=False, feeds=()):
    waiting = self.advanced.waiting if self.advanced else []
    if not hasattr(self, "live"):
        self.live = resident.Resident(Memory())
    every = [*waiting, *feeds, *kernel.batches(self.plan, signals)]
    if final:
        made = self.live.advance(self.plan, every, upto, final=True)
    else:
        STATS["part" if self.live._concerned(self.plan, every, upto) is not None else "all"] += 1
        made = self.live.advance(self.plan, every, upto)
    self.take(made)
kernel.Kernel.advance = advance
