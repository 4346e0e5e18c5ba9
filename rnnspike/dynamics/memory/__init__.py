"""Memory of a network: time constants, gradient flow, the gain of its inputs."""
