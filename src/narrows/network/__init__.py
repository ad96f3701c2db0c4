"""The parts, wired: input layer, network, objective, composition."""
