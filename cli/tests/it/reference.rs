//! `docs/cli.md` shows what the command really prints.
