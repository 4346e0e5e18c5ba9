"""Models made of fitted models: bags over inner folds, stacks over rungs."""
