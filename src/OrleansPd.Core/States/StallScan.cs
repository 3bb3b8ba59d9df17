using OrleansPd.Core.Admission;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.States;

/// <summary>
/// Finds engines that are wedged behind a green /health: legs are in flight, the oldest has waited long, and nothing on the
/// worker has moved since. New requests do not make a wedged worker look busy, and one that moves clears all. What a former life
/// of the worker left unanswered says nothing about the present one.
/// </summary>
internal sealed class StallScan
{
    private long[] _oldest = new long[16];
    private long[] _moved = new long[16];

    /// <summary>A leg of the worker, or a generation of our own through it, came to a good end.</summary>
    public void Moved(int slot, long timestamp)
    {
        Reserve(slot);
        _moved[slot] = Math.Max(_moved[slot], timestamp);
    }

    /// <summary>For each slot how long nothing has moved, in timestamp units; 0 when nothing is in flight.</summary>
    public ReadOnlySpan<long> Ages(HeldLease? leases, IAdmissionFleet fleet, long timestamp)
    {
        Array.Clear(_oldest);
        for (var lease = leases; lease is not null; lease = lease.Next)
        {
            if (!lease.PrefillEnded && fleet.IsPresent(lease.Prefill!))
            {
                See(lease.Prefill!.Slot, lease);
            }
            if (!lease.DecodeEnded && fleet.IsPresent(lease.Decode))
            {
                See(lease.Decode.Slot, lease);
            }
        }
        for (var slot = 0; slot < _oldest.Length; slot++)
        {
            _oldest[slot] = _oldest[slot] == 0 ? 0 : Math.Max(0, timestamp - Math.Max(_oldest[slot], _moved[slot]));
        }
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
