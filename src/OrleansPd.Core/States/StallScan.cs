using OrleansPd.Core.Admission;

namespace OrleansPd.Core.States;

/// <summary>
/// Finds engines that hang although /health is good: legs are in flight, the oldest has waited long, and no leg on the worker has
/// made progress since. New requests do not make such a worker look alive; progress of any leg does. Legs of a former epoch do
/// not count.
/// </summary>
internal sealed class StallScan
{
    private long[] _oldest = new long[16];
    private long[] _moved = new long[16];

    /// <summary>A leg of the worker or a readiness check of it succeeded.</summary>
    public void Moved(int slot, long timestamp)
    {
        Reserve(slot);
        _moved[slot] = Math.Max(_moved[slot], timestamp);
    }

    /// <summary>Time without progress by slot, in timestamp units; 0 when nothing is in flight.</summary>
    public ReadOnlySpan<long> Ages(HeldLease? leases, IAdmissionFleet fleet, long timestamp)
    {
        Array.Clear(_oldest);
        for (var lease = leases; lease is not null; lease = lease.Next)
        {
            if (!lease.PrefillEnded && fleet.IsPresent(lease.Prefill!))
                See(lease.Prefill!.Slot, lease);
            if (!lease.DecodeEnded && fleet.IsPresent(lease.Decode))
                See(lease.Decode.Slot, lease);
        }
        for (var slot = 0; slot < _oldest.Length; slot++)
            _oldest[slot] = _oldest[slot] == 0 ? 0 : Math.Max(0, timestamp - Math.Max(_oldest[slot], _moved[slot]));
        return _oldest;
    }

    private void See(int slot, HeldLease lease)
    {
        Reserve(slot);
        _oldest[slot] = _oldest[slot] == 0 ? lease.Started : Math.Min(_oldest[slot], lease.Started);
        _moved[slot] = Math.Max(_moved[slot], lease.LastProgress);
    }

    private void Reserve(int slot)
    {
        if (slot >= _oldest.Length)
        {
            Array.Resize(ref _oldest, Math.Max(slot + 1, _oldest.Length * 2));
            Array.Resize(ref _moved, _oldest.Length);
        }
    }
}
