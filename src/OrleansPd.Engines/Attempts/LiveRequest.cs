namespace OrleansPd.Engines.Attempts;

/// <summary>A client request in progress, with its attempts that are on engines now.</summary>
public sealed class LiveRequest
{
    private readonly Lock _gate = new();
    private readonly string? _whole;
    private readonly IReadOnlyList<string> _items;
    private readonly List<Flight> _flights = [];
    // Never disposed of: it has no timer, and an abort may arrive while the request ends.
    private readonly CancellationTokenSource _aborted = new();
    private HashSet<int>? _abortedItems;
    private bool _wasAborted;

    internal LiveRequest(string? whole, IReadOnlyList<string> items)
    {
        (_whole, _items) = (whole, items);
        Names = [.. items.Append(whole).OfType<string>().Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Cancelled when the whole request is aborted.</summary>
    internal CancellationToken Aborted => _aborted.Token;

    internal IReadOnlyList<string> Names { get; }

    /// <param name="item">Index of a prompt that is sent alone; -1 = the whole request.</param>
    internal bool IsAborted(int item)
    {
        lock (_gate)
            return IsAbortedNow(item);
    }

    /// <summary>Registers an attempt that is about to begin.</summary>
    /// <returns>False: the request was aborted, and the attempt must not begin.</returns>
    internal bool TryBegin(int item, AttemptReport attempt)
    {
        lock (_gate)
        {
            if (IsAbortedNow(item))
                return false;
            _flights.Add(new(item, attempt));
            return true;
        }
    }

    internal void Ended(AttemptReport attempt)
    {
        lock (_gate)
            _flights.RemoveAll(f => ReferenceEquals(f.Attempt, attempt));
    }

    /// <param name="rid">One of <see cref="Names"/>; null = the whole request.</param>
    internal IReadOnlyList<AbortTarget> Abort(string? rid)
    {
        var targets = new List<AbortTarget>();
        lock (_gate)
        {
            var item = rid is null || rid == _whole ? -1 : IndexOf(rid);
            if (item < 0)
                _wasAborted = true;
            else
                (_abortedItems ??= []).Add(item);
            foreach (var flight in _flights)
            {
                if (item >= 0 && flight.Item >= 0 && flight.Item != item)
                    continue;
                // One prompt of a batch that was sent as one request.
                var rids = item >= 0 && flight.Item < 0 ? [flight.Attempt.Rids[item]] : flight.Attempt.Rids;
                targets.Add(new(flight.Attempt.Lease.Decode, rids));
                if (flight.Attempt.Lease.Prefill is { } prefill)
                    targets.Add(new(prefill, rids));
            }
            if (item >= 0)
                return targets;
        }
        // Outside of the lock: it runs continuations.
        _aborted.Cancel();
        return targets;
    }

    private bool IsAbortedNow(int item) => _wasAborted || (item >= 0 && _abortedItems?.Contains(item) == true);

    private int IndexOf(string rid)
    {
        for (var i = 0; i < _items.Count; i++)
        {
            if (_items[i] == rid)
                return i;
        }
        return -1;
    }

    private readonly record struct Flight(int Item, AttemptReport Attempt);
}

/// <summary>Request ids to abort on one engine.</summary>
/// <param name="Worker">The engine.</param>
/// <param name="Rids">The ids as the engine knows them.</param>
public sealed record AbortTarget(WorkerSnapshot Worker, IReadOnlyList<string> Rids);
