"""A function that does nothing."""


def handler(event, context):
    return {}
