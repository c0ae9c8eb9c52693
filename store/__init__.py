"""The memory: functions take the Session first and never commit; only store.transaction commits."""
