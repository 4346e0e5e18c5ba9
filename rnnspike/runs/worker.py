"""What a worker process imports once, before it is forked: the models and the evaluation."""

from rnnspike.memory import importing

with importing():
    import rnnspike.evaluation.evaluate
    import rnnspike.models.glm
    import rnnspike.models.recurrent
    import rnnspike.models.recurrent_task
    import rnnspike.models.spike_lstm
    import rnnspike.runs.engine
    import rnnspike.runs.finish  # noqa: F401
