"""Studies of a trained ensemble: what its networks look at, and how its labels answer to imperfect inputs."""
