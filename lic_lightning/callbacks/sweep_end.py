from hydra.experimental.callback import Callback
class SweepEnd(Callback):
    """At the end of a multirun."""
