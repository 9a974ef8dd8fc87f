//! A bounded cache, for values that may be forgotten.

use std::hash::Hash;

use moka::{policy::EvictionPolicy, sync::Cache};

/// A cache of at most so many entries, of which the one used longest ago goes (LRU). `moka`'s default would rather keep what
/// was used often, and not let a newcomer in.
pub(crate) fn of_recent<K, V>(most: u64) -> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(most).eviction_policy(EvictionPolicy::lru()).build()
}
