using OrleansPd.Core.Requests;

namespace OrleansPd.Core.Admission;

/// <summary>
/// The requests of one model that wait, in lanes: those that only some of its workers can serve (the ones that have an adapter,
/// the regular ones) stand apart, so that they hold up nobody whom the others could serve.
/// </summary>
internal sealed class WaitLanes
{
    /// <summary>How often a request that needs several places lets later ones pass.</summary>
    public const int MaxPassed = 64;

    private const string Regular = "\0regular";
    private readonly Dictionary<string, WaitQueue> _apart = new(StringComparer.Ordinal);
    private readonly List<WaitQueue> _all = [new WaitQueue()];

    public IReadOnlyList<WaitQueue> All => _all;

    /// <summary>The lane in which such a request waits; null where none of its kind does.</summary>
    public WaitQueue? Find(in PairRequest request) => KeyOf(request) is { } key ? _apart.GetValueOrDefault(key) : _all[0];

    public void Join(WaitingRequest waiting)
    {
        var lane = Find(waiting.Request);
        if (lane is null)
        {
            // There are never more lanes than waiting requests.
            foreach (var (key, empty) in _apart.Where(l => l.Value.Count == 0).ToArray())
            {
                _apart.Remove(key);
                _all.Remove(empty);
            }
            _apart.Add(KeyOf(waiting.Request)!, lane = new WaitQueue());
            _all.Add(lane);
        }
        lane.Join(waiting);
    }

    /// <summary>The request that has been passed often enough: nobody behind it is served before it. Null = none.</summary>
    public WaitingRequest? Barrier()
    {
        WaitingRequest? barrier = null;
        foreach (var lane in _all)
        {
            if (lane.First is { Passed: >= MaxPassed } first && (barrier is null || WaitQueue.Before(first, barrier)))
            {
                barrier = first;
            }
        }
        return barrier;
    }

    /// <summary>Notes that a request was served before others that came earlier.</summary>
    /// <param name="served">Still in its lane; null = it did not wait, and so came later than all.</param>
    public void Served(WaitingRequest? served)
    {
        for (var passed = served?.Previous; passed is not null; passed = passed.Previous)
        {
            passed.Passed++;
        }
        foreach (var lane in _all)
        {
            // One that needs a single place is not held up by other lanes: what they are served is not what it waits for.
            if (!ReferenceEquals(lane, served?.Queue) && lane.First is { Request.Items: > 1 } first
                && (served is null || WaitQueue.Before(first, served)))
            {
                first.Passed++;
            }
        }
    }

    private static string? KeyOf(in PairRequest request) => request.OnlyRegular ? Regular : request.Adapters;
}
