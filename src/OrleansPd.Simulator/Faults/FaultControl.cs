namespace OrleansPd.Simulator.Faults;

/// <summary>A fault that is set, and how often it has struck.</summary>
public sealed record ActiveFault(int Id, Fault Fault, int Hits);

/// <summary>The faults of one engine. They outlive a restart of the engine.</summary>
public sealed class FaultControl
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _clock;
    private readonly SortedDictionary<int, Entry> _entries = [];
    private volatile int _count;
    private int _lastId;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal FaultControl(TimeProvider clock) => _clock = clock;

    public IReadOnlyList<ActiveFault> Active
    {
        get
        {
            lock (_gate)
                return [.. _entries.Select(entry => new ActiveFault(entry.Key, entry.Value.Fault, entry.Value.Hits))];
        }
    }

    /// <summary>Raised after every change of the set, outside the lock.</summary>
    internal event Action? Changed;

    /// <summary>Sets a fault and returns its id.</summary>
    public int Add(Fault fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        int id;
        lock (_gate)
        {
            id = ++_lastId;
            var entry = new Entry(fault);
            if (fault.Duration is { } duration)
                entry.Timer = _clock.CreateTimer(_ => Remove(id), null, duration, Timeout.InfiniteTimeSpan);
            _entries.Add(id, entry);
        }
        Announce();
        return id;
    }

    public bool Remove(int id)
    {
        bool removed;
        lock (_gate)
        {
            removed = _entries.Remove(id, out var entry);
            entry?.Timer?.Dispose();
        }
        Announce();
        return removed;
    }

    public void Clear()
    {
        foreach (var fault in Active)
            Remove(fault.Id);
    }

    /// <summary>The first fault of that kind that fits, one strike of it used up.</summary>
    internal Fault? TryTake(FaultKind kind, int? rank, string? rid)
    {
        if (_count == 0)
            return null;
        Fault? taken = null;
        var ended = false;
        lock (_gate)
        {
            foreach (var (id, entry) in _entries)
            {
                if (!entry.Fits(kind, rank, rid))
                    continue;
                taken = entry.Fault;
                if (++entry.Hits >= entry.Fault.Count)
                {
                    ended = true;
                    entry.Timer?.Dispose();
                    _entries.Remove(id);
                }
                break;
            }
        }
        if (ended)
            Announce();
        return taken;
    }

    /// <summary>The first fault of that kind that fits, without using it up.</summary>
    internal Fault? Peek(FaultKind kind, int? rank = null)
    {
        if (_count == 0)
            return null;
        lock (_gate)
            return _entries.Values.FirstOrDefault(entry => entry.Fits(kind, rank, null))?.Fault;
    }

    internal async Task WaitWhileAsync(FaultKind kind, int rank, CancellationToken ct)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
                changed = _changed.Task;
            if (Peek(kind, rank) is null)
                return;
            await changed.WaitAsync(ct);
        }
    }

    private void Announce()
    {
        TaskCompletionSource before;
        lock (_gate)
        {
            _count = _entries.Count;
            before = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        before.TrySetResult();
        Changed?.Invoke();
    }

    private sealed class Entry(Fault fault)
    {
        public Fault Fault { get; } = fault;

        public int Hits { get; set; }

        public ITimer? Timer { get; set; }

        public bool Fits(FaultKind kind, int? rank, string? rid) => Fault.Kind == kind
            && (Fault.Rank is null || rank is null || Fault.Rank == rank)
            && (Fault.RidPrefix is null || (rid is not null && rid.StartsWith(Fault.RidPrefix, StringComparison.Ordinal)));
    }
}
