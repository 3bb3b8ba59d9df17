namespace OrleansPd.Core.Load;

/// <summary>
/// Finds the lowest of n scores and updates a score in log n steps, so that a choice among thousands of ranks needs no scan. A
/// complete binary tree in one array: node i is the lower of nodes 2i and 2i+1, leaves are at the end. Each node also has the
/// maximum room below it, so that a search for much room skips whole branches that have too little.
/// </summary>
internal sealed class RankTree
{
    /// <summary>Score of a leaf that must not be chosen.</summary>
    public const long Closed = long.MaxValue;

    private readonly long[] _nodes;
    private readonly int[] _items;
    private readonly long[] _tokens;
    private readonly int _width;

    public RankTree(int leaves)
    {
        _width = 1;
        while (_width < leaves)
            _width *= 2;
        _nodes = new long[_width * 2];
        _items = new int[_width * 2];
        _tokens = new long[_width * 2];
        Array.Fill(_nodes, Closed);
    }

    public long this[int leaf] => _nodes[_width + leaf];

    /// <param name="score">Lower is better; <see cref="Closed"/> = must not be chosen.</param>
    /// <param name="items">Items there is room for.</param>
    /// <param name="tokens">Tokens there is room for.</param>
    public void Set(int leaf, long score, int items, long tokens)
    {
        var i = _width + leaf;
        (_nodes[i], _items[i], _tokens[i]) = (score, items, tokens);
        for (i /= 2; i > 0; i /= 2)
        {
            var (left, right) = (i * 2, (i * 2) + 1);
            var lower = Math.Min(_nodes[left], _nodes[right]);
            var mostItems = Math.Max(_items[left], _items[right]);
            var mostTokens = Math.Max(_tokens[left], _tokens[right]);
            if (_nodes[i] == lower && _items[i] == mostItems && _tokens[i] == mostTokens)
                return;
            (_nodes[i], _items[i], _tokens[i]) = (lower, mostItems, mostTokens);
        }
    }

    /// <summary>
    /// The lowest leaf with room for both, without the leaves from <paramref name="from"/> up to but not including
    /// <paramref name="to"/>; -1 when there is none.
    /// </summary>
    public int ArgminWithRoom(int items, long tokens, int from, int to)
    {
        var best = 0;
        Search(1, items, tokens, _width + from, _width + to, ref best);
        return best == 0 ? -1 : best - _width;
    }

    /// <summary>The leaf of the lowest score, -1 when all are closed.</summary>
    public int Argmin() => Descend(1);

    /// <summary>
    /// The same, without the leaves from <paramref name="from"/> up to but not including <paramref name="to"/>.
    /// </summary>
    public int ArgminExcept(int from, int to)
    {
        var left = Lower(0, from);
        var right = Lower(to, _width);
        var node = left == 0 ? right : right == 0 || _nodes[left] <= _nodes[right] ? left : right;
        return node == 0 ? -1 : Descend(node);
    }

    /// <summary>Node of the lowest score among leaves [from, to); 0 when there is none.</summary>
    private int Lower(int from, int to)
    {
        var best = 0;
        for (int low = from + _width, high = to + _width; low < high; low /= 2, high /= 2)
        {
            if ((low & 1) == 1)
            {
                best = best == 0 || _nodes[low] < _nodes[best] ? low : best;
                low++;
            }
            if ((high & 1) == 1)
            {
                high--;
                best = best == 0 || _nodes[high] < _nodes[best] ? high : best;
            }
        }
        return best;
    }

    private int Descend(int node)
    {
        if (_nodes[node] == Closed)
            return -1;
        while (node < _width)
        {
            node *= 2;
            if (_nodes[node] > _nodes[node + 1])
                node++;
        }
        return node - _width;
    }

    private void Search(int node, int items, long tokens, int from, int to, ref int best)
    {
        if (_nodes[node] == Closed || _items[node] < items || _tokens[node] < tokens
            || (best != 0 && _nodes[node] >= _nodes[best]))
        {
            return;
        }
        if (node >= _width)
        {
            best = node >= from && node < to ? best : node;
            return;
        }
        var first = _nodes[node * 2] <= _nodes[(node * 2) + 1] ? node * 2 : (node * 2) + 1;
        Search(first, items, tokens, from, to, ref best);
        Search(first ^ 1, items, tokens, from, to, ref best);
    }
}
