using OrleansPd.Simulator.Model;
using OrleansPd.Tools.Replay;

namespace OrleansPd.Tools.Demo;

/// <summary>
/// Compares each answer with that of a single engine with the same model: a transfer that loses or swaps one KV block changes the
/// tokens.
/// </summary>
internal static class ReferenceAnswer
{
    public static ValueTask<string?> CompareAsync(ReplayedRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var body = JsonDocument.Parse(request.Body);
        var ids = body.RootElement.GetProperty("input_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        var tokens = body.RootElement.GetProperty("sampling_params").GetProperty("max_new_tokens").GetInt32();
        var expected = ReferenceModel.CompleteIds(ids, tokens, new() { IgnoreEos = true });
        if (request.OutputIds.SequenceEqual(expected))
            return ValueTask.FromResult<string?>(null);

        var same = request.OutputIds.Zip(expected).TakeWhile(pair => pair.First == pair.Second).Count();
        return ValueTask.FromResult<string?>(
            $"request {request.Index}: {request.OutputIds.Count} of {expected.Length} tokens, "
            + $"equal up to token {same}");
    }
}
