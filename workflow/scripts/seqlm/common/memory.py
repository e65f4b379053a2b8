"""What to do when a batch needs more memory than there is: the same in halves."""


def out_of_memory(error):
    """Whether an exception says that memory is short; on a CPU only its words tell."""
    import torch

    words = ("out of memory", "allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


def in_parts(run, n):
    """What ``run(start, end)`` gives for n items: at once, or where memory is short in halves, quarters and so on.

    Parameters
    ----------
    run : callable
    n : int

    Returns
    -------
    list
        One answer for each part, in order.

    Raises
    ------
    RuntimeError
        That of a single item that is too large, or any other.
    """
    answers, start, size = [], 0, n
    while start < n:
        short = False
        try:
            answers.append(run(start, min(start + size, n)))
        except RuntimeError as error:
            if size == 1 or not out_of_memory(error):
                raise
            short = True
        if short:  # outside of the handler: its traceback holds what is to be freed
            size = -(-size // 2)
            free_memory()
        else:
            start += size
    return answers


def free_memory():
    """Give memory that a GPU keeps for the next tensors back."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
