// A function that does nothing.

exports.handler = async () => ({});
