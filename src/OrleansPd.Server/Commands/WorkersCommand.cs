using System.Text.Json.Nodes;

namespace OrleansPd.Server.Commands;

/// <summary><c>orleanspd workers</c>: lists and changes the fleet of a running gateway.</summary>
internal static class WorkersCommand
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static Command Create(CommandContext context) => new("workers", "List and change the engines of a running gateway.")
    {
        List(context), Add(context), Drain(context), Remove(context), Role(context),
    };

    private static DocumentedCommand List(CommandContext context)
    {
        var (gateway, json) = (
            new WorkersGatewayFlags(), new Option<bool>("--json") { Description = "Print the answer of the gateway as JSON." });
        var command = new DocumentedCommand("list", "List the engines with role, state and load.")
        {
            Examples = ["orleanspd workers list", "orleanspd workers list --url http://10.0.0.9:30000 --json"],
        };
        command.Add("Gateway", gateway.All);
        command.Add("Output", json);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = gateway.Client(parsed, context);
            var list = await client.ListAsync(cancellationToken);
            if (parsed.GetValue(json))
                await context.Out.WriteLineAsync(list.ToJsonString(Indented));
            else
                WorkersTable.Write(list, context);
            return ExitCode.Success;
        });
        return command;
    }

    private static DocumentedCommand Add(CommandContext context)
    {
        var gateway = new WorkersGatewayFlags();
        var worker = new Argument<string>("URL") { Description = "URL of the engine." };
        var type = new Option<string>("--type")
        { Description = "prefill, decode or regular (both). Default regular.", HelpName = "TYPE" };
        var port = new Option<int?>("--bootstrap-port")
        {
            Description = "Port of the KV bootstrap server of a prefill engine. Default: ask the engine.",
            HelpName = "PORT"
        };
        var priority = new Option<int?>("--priority")
        { Description = "Priority, 0-255; higher is preferred. Default 50.", HelpName = "NUMBER" };
        var model = new Option<string?>("--model")
        { Description = "Model name. Default: ask the engine.", HelpName = "NAME" };
        var key = new Option<string?>("--worker-key")
        {
            Description = "API key of the engine. Default: the environment variable ORLEANSPD_WORKER_KEY, which other "
                + "users cannot see.",
            HelpName = "KEY",
        };
        var command = new DocumentedCommand(
            "add", "Add an engine. It serves after a readiness check generated a token through it.")
        {
            Examples = ["orleanspd workers add http://10.0.0.3:30000 --type decode"],
        };
        command.Arguments.Add(worker);
        command.Add("Engine", type, port, priority, model, key);
        command.Add("Gateway", gateway.All);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = gateway.Client(parsed, context);
            var body = new JsonObject { ["url"] = parsed.GetValue(worker), ["worker_type"] = parsed.GetValue(type) ?? "regular" };
            if (parsed.GetValue(port) is { } p)
                body["bootstrap_port"] = p;
            if (parsed.GetValue(priority) is { } n)
                body["priority"] = n;
            if (parsed.GetValue(model) is { } m)
                body["model_id"] = m;
            if ((parsed.GetValue(key) ?? context.Environment.GetValueOrDefault("ORLEANSPD_WORKER_KEY")) is { Length: > 0 } k)
                body["api_key"] = k;
            var answer = await client.SendAsync(HttpMethod.Post, "/workers", body, cancellationToken);
            await context.Out.WriteLineAsync($"{answer["url"]} added as {answer["worker_id"]}");
            return ExitCode.Success;
        });
        return command;
    }

    private static DocumentedCommand Drain(CommandContext context)
    {
        var (gateway, name) = (new WorkersGatewayFlags(), Name());
        var wait = new Option<bool>("--wait") { Description = "Wait until the engine can be killed without losing requests." };
        var timeout = new Option<int>("--timeout")
        {
            DefaultValueFactory = _ => 600,
            Description = "Maximum wait. Default 600; after it the exit code is 1 and the engine keeps draining.",
            HelpName = "SECONDS",
        };
        var command = new DocumentedCommand(
            "drain", "Drain an engine: it gets no new requests, finishes those it has, and is removed.")
        {
            Examples = ["orleanspd workers drain http://10.0.0.3:30000 --wait && ssh gpu3 systemctl stop sglang"],
        };
        command.Arguments.Add(name);
        command.Add("Waiting", wait, timeout);
        command.Add("Gateway", gateway.All);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = gateway.Client(parsed, context);
            var given = parsed.GetValue(name)!;
            var path = WorkersClient.PathOf(given);
            var worker = (await client.SendAsync(HttpMethod.Delete, path, null, cancellationToken))["worker"]!;
            var until = context.Time.GetUtcNow() + TimeSpan.FromSeconds(parsed.GetValue(timeout));
            while (parsed.GetValue(wait) && !(bool)worker["safe_to_kill"]!)
            {
                if (context.Time.GetUtcNow() >= until)
                    throw new CommandFailedException($"{worker["url"]} is not idle yet: {worker["safe_to_kill_reason"]}.");
                await Task.Delay(Poll, context.Time, cancellationToken);
                worker = await client.SendAsync(HttpMethod.Get, path, null, cancellationToken);
            }
            await context.Out.WriteLineAsync((bool)worker["safe_to_kill"]!
                ? $"{worker["url"]} is safe to kill: {worker["safe_to_kill_reason"]}"
                : $"{worker["url"]} drains: {worker["safe_to_kill_reason"]}");
            return ExitCode.Success;
        });
        return command;
    }

    private static DocumentedCommand Remove(CommandContext context)
    {
        var (gateway, name) = (new WorkersGatewayFlags(), Name());
        var command = new DocumentedCommand("remove", "Remove an engine at once. Requests in flight on it continue.");
        command.Arguments.Add(name);
        command.Add("Gateway", gateway.All);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = gateway.Client(parsed, context);
            var answer = await client.SendAsync(
                HttpMethod.Delete, WorkersClient.PathOf(parsed.GetValue(name)!) + "?force=true", null, cancellationToken);
            await context.Out.WriteLineAsync(
                $"{answer["worker"]!["url"]} is removed: {answer["worker"]!["safe_to_kill_reason"]}");
            return ExitCode.Success;
        });
        return command;
    }

    private static DocumentedCommand Role(CommandContext context)
    {
        var (gateway, name) = (new WorkersGatewayFlags(), Name());
        var role = new Argument<string>("ROLE") { Description = "prefill or decode." };
        var command = new DocumentedCommand(
            "role", "Switch an engine from prefill to decode or back, if its build supports that.")
        {
            Examples = ["orleanspd workers role http://10.0.0.3:30000 prefill"],
        };
        command.Arguments.Add(name);
        command.Arguments.Add(role);
        command.Add("Gateway", gateway.All);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = gateway.Client(parsed, context);
            var answer = await client.SendAsync(HttpMethod.Post, WorkersClient.PathOf(parsed.GetValue(name)!) + "/role",
                new JsonObject { ["role"] = parsed.GetValue(role) }, cancellationToken);
            await context.Out.WriteLineAsync($"{answer["worker"]!["url"]} is a {answer["worker"]!["worker_type"]} engine now");
            return ExitCode.Success;
        });
        return command;
    }

    private static Argument<string> Name() => new("WORKER") { Description = "URL or id of the engine." };
}
