"""The security guide's FastAPI example with what it leaves open filled in as shortly as can be, and a tool beside it."""
import json
import sys
from typing import Optional

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

options = json.loads(sys.argv[1])
all_tools = options["manual"]["tools"]
permissions = {options["token"]: {"books"}}
app = FastAPI()
security = HTTPBearer()


class Search(BaseModel):
    query: str = Field(min_length=1, max_length=200)
    limit: Optional[int] = None
    language: Optional[str] = None
    in_stock: Optional[bool] = None
    sort: Optional[str] = None
    max_price: Optional[float] = None


def require(token):
    if token.credentials not in permissions:
        raise HTTPException(401, "Invalid discovery token")
    return permissions[token.credentials]


@app.get("/utcp")
def get_manual(token=Depends(security)):
    granted = require(token)
    return {
        "manual_version": "1.0.0",
        "utcp_version": "1.0.1",
        "tools": [tool for tool in all_tools if granted & set(tool["tags"])],
    }


@app.post("/tools/local/search")
def search(body: Search, token=Depends(security)):
    require(token)
    return options["answer"]


uvicorn.run(app, host="127.0.0.1", port=options["port"], access_log=False, log_level="warning")
