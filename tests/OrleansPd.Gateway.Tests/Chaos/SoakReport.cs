using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.Chaos;

/// <summary>What was injected, what came of it, and what should never have been.</summary>
internal sealed class SoakReport
{
    private readonly ConcurrentQueue<string> _violations = new();
    private readonly ConcurrentDictionary<string, int> _outcomes = new();
    private readonly SortedDictionary<string, (int Injected, int Hits)> _faults = new(StringComparer.Ordinal);
    private int _ended;

    public IReadOnlyCollection<string> Violations => _violations;

    public int Total => Volatile.Read(ref _ended);

    public int this[string outcome] => _outcomes.GetValueOrDefault(outcome);

    public TimeSpan LongestToIdle { get; set; }

    public TimeSpan LongestToReady { get; set; }

    /// <summary>From the end of a round's faults to the moment at which all workers were in use again.</summary>
    public TimeSpan LongestToRecover { get; set; }

    public int QuietChecks { get; set; }

    public void Violation(string text) => _violations.Enqueue(text);

    public void Ended(string outcome)
    {
        Interlocked.Increment(ref _ended);
        _outcomes.AddOrUpdate(outcome, 1, (_, count) => count + 1);
    }

    public void Struck(EngineRole role, string fault, int hits)
    {
        var key = $"{fault} on {role.ToString().ToLowerInvariant()}";
        var (injected, before) = _faults.GetValueOrDefault(key);
        _faults[key] = (injected + 1, before + hits);
    }

    public string Table(IEnumerable<(string Reason, long Count)> reasons)
    {
        var text = new StringBuilder();
        Line(text, "fault", "injected", "requests hit");
        foreach (var (fault, (injected, hits)) in _faults)
            Line(text, fault, injected, hits);
        text.AppendLine();
        Line(text, "outcome for the client", "requests", "");
        foreach (var (outcome, count) in _outcomes.OrderByDescending(o => o.Value))
            Line(text, outcome, count, "");
        text.AppendLine();
        Line(text, "reason in the gateway", "requests", "");
        foreach (var (reason, count) in reasons.OrderByDescending(r => r.Count))
            Line(text, reason, count, "");
        text.AppendLine();
        text.Append(CultureInfo.InvariantCulture,
            $"{Total} requests, {QuietChecks} checks at rest; longest until idle {LongestToIdle.TotalSeconds:0.00} s, "
            + $"until recovered {LongestToRecover.TotalSeconds:0.00} s, until all ready {LongestToReady.TotalSeconds:0.00} s");
        return text.ToString();
    }

    private static void Line(StringBuilder text, object first, object second, object third) =>
        text.Append(CultureInfo.InvariantCulture, $"{first,-36}{second,12}{third,14}").AppendLine();
}
