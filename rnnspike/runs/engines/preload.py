"""What a worker process imports once, before it is forked: the models and the evaluation."""

from rnnspike.memory import importing

with importing():
    import rnnspike.evaluation.evaluate
    import rnnspike.models.glm.model
    import rnnspike.models.networks.bin_clock.model
    import rnnspike.models.networks.bin_clock.task
    import rnnspike.models.networks.spike_clock.model
    import rnnspike.runs.fitting.task
    import rnnspike.runs.plan  # noqa: F401
