"""What a worker process imports once, before it is forked: torch, the models and the evaluation."""

import torch

import rnnspike.evaluation.evaluate
import rnnspike.models.glm
import rnnspike.models.recurrent
import rnnspike.runs.finish  # noqa: F401

torch.set_num_threads(1)
