"""Heavy ball with dampening as torch documents it: the whole gradient at the first step, (1 - dampening) of it later."""


def update(settings, w, g, memory, lr):
    g = g + settings.get("weight_decay", 0.0) * w
    velocity = memory.get("velocity")
    gain = 1 - settings.get("dampening", 0.0)
    memory["velocity"] = g if velocity is None else settings["momentum"] * velocity + gain * g
    return w - lr * memory["velocity"]
