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
        self.live = resident.Resident(self.plan, Memory())
    every = [*waiting, *feeds, *kernel.batches(self.plan, signals)]
    if final:
        made = advance_memory(self.plan, self.live.whole(), every, upto, final=True)
    else:
        STATS["part" if self.live._concerned(every, upto) is not None else "all"] += 1
        made = self.live.advance(every, upto)
    self.take(made)
kernel.Kernel.advance = advance
