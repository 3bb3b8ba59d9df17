using System.Text.Json.Nodes;
using OrleansPd.Core.Workers;

namespace OrleansPd.Gateway.Management;

/// <summary>Many engines' answers as one: whether all did it, and what each said.</summary>
internal static class BroadcastAnswer
{
    /// <summary>
    /// 200: all did; 206: some; 503: there is none to ask; the engines' own status where all refused with the same one; else 502.
    /// </summary>
    public static int StatusOf(IReadOnlyCollection<BroadcastReply> said)
    {
        var failed = said.Where(s => !s.IsGood).ToArray();
        return (said.Count, failed.Length) switch
        {
            (0, _) => 503,
            (_, 0) => 200,
            var (all, bad) when bad < all => 206,
            _ => failed[0].Status is >= 400 and < 600 and var first && failed.All(f => f.Status == first) ? first : 502,
        };
    }

    /// <summary>
    /// <c>successful</c>, <c>failed</c>, <c>total_workers</c> and <c>message</c> as in the SGLang gateway's flush; <c>success</c>
    /// and <c>status</c> where clients of one engine look for them; <c>results</c> with each engine's own words.
    /// </summary>
    public static JsonObject Of(IReadOnlyCollection<BroadcastReply> said, string did) => new()
    {
        ["success"] = said.Count > 0 && said.All(s => s.IsGood),
        ["status"] = StatusOf(said) switch { 200 => "ok", 206 => "partial", _ => "failed" },
        ["message"] = said.Count == 0 ? "No worker is registered that this is for."
            : $"{said.Count(s => s.IsGood)} of {said.Count} workers {did}.",
        ["successful"] = new JsonArray([.. said.Where(s => s.IsGood).Select(s => (JsonNode)s.Url)]),
        ["failed"] = new JsonArray([.. said.Where(s => !s.IsGood).Select(s => (JsonNode)new JsonArray(s.Url, s.Problem))]),
        ["total_workers"] = said.Count,
        ["http_workers"] = said.Count,
        ["results"] = new JsonArray([.. said.Select(s => (JsonNode)ResultOf(s))]),
    };

    private static JsonObject ResultOf(BroadcastReply said) => new()
    {
        ["worker"] = said.Url,
        ["worker_id"] = WorkerNames.IdOf(said.Worker.Id),
        ["worker_type"] = WireName.Of(said.Worker.Role),
        ["status"] = said.Status == 0 ? null : said.Status,
        ["body"] = said.Body?.DeepClone(),
        ["error"] = said.Problem,
    };
}
