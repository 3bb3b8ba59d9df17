using System.Text.Json.Nodes;
using OrleansPd.Gateway.Generation;

namespace OrleansPd.Gateway.Management;

/// <summary>
/// <c>POST /route_pd</c>: a pair and its bootstrap triplet for a caller that sends to the engines itself, as trainers do (the
/// shape of AReaL, its pull request 1364). The pair is held until the lease expires; by then the load that engines report
/// includes the request. <c>DELETE /route_pd/{lease_id}</c> gives the pair back sooner.
/// </summary>
internal sealed class PairEndpoints(
    IControlPlane controlPlane, ModelNames models, RoutedPairs pairs, AdminAuthentication gate, GatewayOptions options)
        : IEndpoints
{
    private const int MaxBody = 1 << 20;

    /// <summary>
    /// Shorter than the time after which a pair without progress counts as stalled: no progress of these pairs is reported to us.
    /// </summary>
    private int MaxLease => Math.Max(1, options.ControlPlane.StallSuspectSecs - 5);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/route_pd", gate.Guard(RouteAsync));
        routes.MapDelete("/route_pd/{lease}", gate.Guard(ReleaseAsync));
    }

    private async Task RouteAsync(HttpContext context)
    {
        using var body = await BodyReader.ReadAsync(context.Request, MaxBody, context.RequestAborted);
        string? problem = "The body is too large.";
        if (body is null || RoutePairRequest.Read(body.Memory, options.MaxBatch, MaxLease, out problem) is not { } wanted)
        {
            await RefuseAsync(context, new(400, "bad_request", problem!));
            return;
        }
        if (!models.TryFind(wanted.Pair.Model, out var found, out var unknown))
        {
            await RefuseAsync(context, unknown!);
            return;
        }
        var request = wanted.Pair with { Model = found.Model, Adapters = found.Adapter ?? wanted.Pair.Adapters };
        var grant = await controlPlane.AcquireAsync(request, context.RequestAborted);
        if (grant.Lease is not { } lease)
        {
            await RefuseAsync(context, AnswerError.Of(grant.Refusal!));
            return;
        }
        if (lease.IsRegular)
        {
            controlPlane.LegEnded(lease, LegSide.Decode, LegOutcome.Neutral);
            await RefuseAsync(context, new(503, "no_pair", "Regular engines serve this model; there is no pair to route to."));
            return;
        }
        if (pairs.Hold(lease, wanted.Lease) is not { } id)
        {
            await RefuseAsync(context, new(503, "shutting_down", "The gateway is stopping."));
            return;
        }
        await ManagementJson.WriteAsync(context, 200, Answer(id, lease, wanted));
    }

    private async Task ReleaseAsync(HttpContext context)
    {
        (LegOutcome Prefill, LegOutcome Decode)? outcome = context.Request.Query["outcome"].ToString() switch
        {
            "" => (LegOutcome.Neutral, LegOutcome.Neutral),
            "ok" => (LegOutcome.Succeeded, LegOutcome.Succeeded),
            "prefill_failed" => (LegOutcome.Failed, LegOutcome.Neutral),
            "decode_failed" => (LegOutcome.Neutral, LegOutcome.Failed),
            _ => null,
        };
        if (outcome is not var (prefill, decode))
        {
            await RefuseAsync(context, new(400, "bad_request", "'outcome' must be ok, prefill_failed or decode_failed."));
            return;
        }
        var id = (string)context.Request.RouteValues["lease"]!;
        if (!pairs.Release(id, prefill, decode))
        {
            await RefuseAsync(context, new(404, "no_such_lease", "No pair is held under that lease; it may have expired."));
            return;
        }
        await ManagementJson.WriteAsync(context, 200, new JsonObject { ["status"] = "ok", ["lease_id"] = id });
    }

    private static JsonObject Answer(string id, PairLease lease, RoutePairRequest wanted) => new()
    {
        ["prefill_addr"] = lease.Prefill!.Url.GetLeftPart(UriPartial.Authority),
        ["decode_addr"] = lease.Decode.Url.GetLeftPart(UriPartial.Authority),
        ["bootstrap_host"] = lease.DecodeTarget.BootstrapHost,
        ["bootstrap_port"] = lease.DecodeTarget.BootstrapPort,
        ["bootstrap_room"] = lease.Room,
        ["bootstrap_rooms"] = new JsonArray([.. lease.Rooms.ToArray().Select(room => (JsonNode)room)]),
        ["lease_id"] = id,
        ["expires_in_secs"] = (int)wanted.Lease.TotalSeconds,
        // For callers that set more than the triplet: what this gateway itself would write into each leg.
        ["prefill_members"] = Members(lease.PrefillTarget),
        ["decode_members"] = Members(lease.DecodeTarget),
    };

    private static JsonObject Members(LegTarget target)
    {
        var members = new JsonObject { ["bootstrap_host"] = target.BootstrapHost, ["bootstrap_port"] = target.BootstrapPort };
        if (target.RoutedDpRank is { } rank)
            members["routed_dp_rank"] = rank;
        if (target.DisaggPrefillDpRank is { } partner)
            members["disagg_prefill_dp_rank"] = partner;
        return members;
    }

    private static Task RefuseAsync(HttpContext context, AnswerError error) =>
        ErrorResponse.WriteAsync(context, error, ErrorShape.PairRouting);
}
