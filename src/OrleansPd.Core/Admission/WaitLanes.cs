namespace OrleansPd.Core.Admission;

/// <summary>
/// The waiting requests of one model, in lanes: requests that only some of its workers can serve (those with an adapter, the
/// regular ones) have lanes of their own, so that they do not block requests that other workers can serve.
/// </summary>
internal sealed class WaitLanes
{
    /// <summary>How many later requests may be served before one that needs several slots.</summary>
    public const int MaxPassed = 64;

    private const string Regular = "\0regular";
    private readonly Dictionary<string, WaitQueue> _byKey = new(StringComparer.Ordinal);
    private readonly List<WaitQueue> _all = [new WaitQueue()];

    public IReadOnlyList<WaitQueue> All => _all;

    /// <summary>The lane for a request; null if no such request has waited.</summary>
    public WaitQueue? Find(in PairRequest request) => KeyOf(request) is { } key ? _byKey.GetValueOrDefault(key) : _all[0];

    public void Join(WaitingRequest waiting)
    {
        var lane = Find(waiting.Request);
        if (lane is null)
        {
            // There are never more lanes than waiting requests.
            foreach (var (key, empty) in _byKey.Where(l => l.Value.Count == 0).ToArray())
            {
                _byKey.Remove(key);
                _all.Remove(empty);
            }
            _byKey.Add(KeyOf(waiting.Request)!, lane = new WaitQueue());
            _all.Add(lane);
        }
        lane.Join(waiting);
    }

    /// <summary>
    /// The request that has been passed <see cref="MaxPassed"/> times: no later one is served before it. Null = none.
    /// </summary>
    public WaitingRequest? Barrier()
    {
        WaitingRequest? barrier = null;
        foreach (var lane in _all)
        {
            if (lane.First is { Passed: >= MaxPassed } first && (barrier is null || WaitQueue.Before(first, barrier)))
                barrier = first;
        }
        return barrier;
    }

    /// <summary>Counts that a request was served before earlier ones.</summary>
    /// <param name="served">The request, still in its lane; null = one that did not wait, which is later than all.</param>
    public void Served(WaitingRequest? served)
    {
        for (var passed = served?.Previous; passed is not null; passed = passed.Previous)
            passed.Passed++;
        foreach (var lane in _all)
        {
            // Grants to other lanes do not delay a request that needs a single slot.
            if (!ReferenceEquals(lane, served?.Queue) && lane.First is { Request.Items: > 1 } first
                && (served is null || WaitQueue.Before(first, served)))
            {
                first.Passed++;
            }
        }
    }

    private static string? KeyOf(in PairRequest request) => request.OnlyRegular ? Regular : request.Adapters;
}
