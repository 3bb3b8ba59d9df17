namespace OrleansPd.Gateway.Management;

/// <summary>
/// Pairs that callers of <c>/route_pd</c> hold. Each is held until its caller gives it back or its time is over, so a caller that
/// died does not keep capacity.
/// </summary>
internal sealed class RoutedPairs(IControlPlane controlPlane, TimeProvider clock) : IDisposable
{
    private readonly Dictionary<string, Held> _held = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private bool _closed;

    public int Count
    {
        get
        {
            lock (_gate)
                return _held.Count;
        }
    }

    /// <summary>Holds a lease for a time.</summary>
    /// <returns>The id to give it back by; null where the gateway is stopping: the lease has been given back.</returns>
    public string? Hold(PairLease lease, TimeSpan duration)
    {
        var id = lease.Id.ToString("x", CultureInfo.InvariantCulture);
        var held = new Held(lease);
        lock (_gate)
        {
            if (!_closed)
            {
                _held.Add(id, held);
                held.Timer = clock.CreateTimer(
                    _ => Release(id, LegOutcome.Neutral, LegOutcome.Neutral), null, duration, Timeout.InfiniteTimeSpan);
                return id;
            }
        }
        End(held, LegOutcome.Neutral, LegOutcome.Neutral);
        return null;
    }

    /// <summary>Gives a lease back; false where none is held under that id.</summary>
    public bool Release(string id, LegOutcome prefill, LegOutcome decode)
    {
        Held? held;
        lock (_gate)
        {
            if (!_held.Remove(id, out held))
                return false;
        }
        End(held, prefill, decode);
        return true;
    }

    public void Dispose()
    {
        Held[] left;
        lock (_gate)
        {
            _closed = true;
            left = [.. _held.Values];
            _held.Clear();
        }
        foreach (var held in left)
            End(held, LegOutcome.Neutral, LegOutcome.Neutral);
    }

    private void End(Held held, LegOutcome prefill, LegOutcome decode)
    {
        held.Timer?.Dispose();
        controlPlane.LegEnded(held.Lease, LegSide.Prefill, prefill);
        controlPlane.LegEnded(held.Lease, LegSide.Decode, decode);
    }

    private sealed class Held(PairLease lease)
    {
        public PairLease Lease => lease;

        public ITimer? Timer { get; set; }
    }
}
